"""FLUX.3 over diffusers' and transformers' own classes."""
