"""`python -m assistant`: the same as the command `flux-assistant`."""

from assistant.command_line import main

main()
