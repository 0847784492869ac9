"""The model families, a folder each. Everything outside of them knows a family by its protocol only."""
