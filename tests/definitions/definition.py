"""What a family of definitions is."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Definitions = dict[str, tuple[Callable[[], nn.Module], Callable[..., Tensor]]]
"""Name of a case -> how to build the module at 16 channels, and its mathematics: ``definition(module, x)``."""
