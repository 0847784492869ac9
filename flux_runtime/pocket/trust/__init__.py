"""A third course for pocket's Qwen3-VL, not served yet: negation, several wishes, whole scenes."""
