"""How a trained network is used: how it looks at pictures, and where it runs. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Accelerator = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class ViewConfig:
    """How a segmentation network looks at a picture; `gald.engine.inference.compose` takes these by name."""

    tile: int | tuple[int, int] | None = None
    """Side, or height and width, of sliding-window tiles, for pictures too large for the memory; the whole picture at
    once if left out (segmentation only, as are overlap, scales and flip)."""
    overlap: float = 1 / 3
    """Of neighbouring tiles, 0 up to (not including) 1."""
    scales: tuple[float, ...] = (1.0,)
    """The picture is also looked at enlarged and shrunk by these; probabilities are averaged."""
    flip: bool = False
    """Also look at the mirrored picture."""

    def __post_init__(self) -> None:
        if isinstance(self.tile, int):  # one form of a tile everywhere
            object.__setattr__(self, "tile", (self.tile, self.tile))


@dataclass(frozen=True)
class RuntimeConfig:
    """Where a network runs, and with which numbers."""

    precision: Precision = "32-true"
    """Of the network."""
    accelerator: Accelerator = "auto"
    """Where it runs."""
