"""Conversations in YAML: read, played, checked and reported."""
