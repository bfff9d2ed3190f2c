"""``python -m gald.cli``, as torchrun starts it."""

from gald.cli.main import main

main()
