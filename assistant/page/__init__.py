"""The chat page: Chainlit's callbacks, and its view of our history. It translates; it decides nothing."""
