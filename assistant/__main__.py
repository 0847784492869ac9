"""`python -m assistant`: the same as the command `flux-assistant`."""

from assistant.terminal.command_line import main

main()
