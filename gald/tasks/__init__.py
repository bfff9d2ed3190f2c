"""Tasks: what a run trains on, what its network is, what its losses and metrics are.

A task is a module with the same few functions (``data``, ``model``, ``losses``, ``metrics``);
:mod:`gald.training` runs any of them.
"""
