"""The `gald` command: one file a command, with its arguments, one call, and what is printed. May import everything."""
