"""The data sets, one a file: each finds its files and names its classes."""
