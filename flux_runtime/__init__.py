"""One multitask FLUX model in one process: it generates, answers and edits.

Names are loaded on first use, so that importing `flux_runtime.interface` does not load torch.
"""
