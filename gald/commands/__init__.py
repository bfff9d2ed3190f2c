"""The commands: one function with typed arguments a file; tyro makes the flags from its signature."""
