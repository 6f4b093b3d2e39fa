"""The command surface: one table of commands, one file a command."""
