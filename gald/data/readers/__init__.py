"""The formats in which annotations are stored, one a file."""
