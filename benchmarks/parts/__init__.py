"""What benchmarks/core.py is made of."""
