"""The chat assistant: it turns what a person says into calls of the tools, and their results into a reply."""
