"""From a message to a plan: which tools, on which stored images, or a question back. Nothing is done here."""
