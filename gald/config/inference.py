"""How a trained network is used: how it looks at pictures, and where it runs. Standard library only."""

from dataclasses import dataclass
from typing import Literal

from gald.config.checks import Settings

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Accelerator = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class ViewConfig(Settings):
    """How a segmentation network looks at a picture; `gald.engine.inference.compose` takes these by name."""

    tile: int | tuple[int, int] | None = None
    """Side, or height and width, of sliding-window tiles, for pictures too large for the memory; if left out, none."""
    overlap: float = 1 / 3
    """Of neighbouring tiles, 0 up to (not including) 1."""
    scales: tuple[float, ...] = (1.0,)
    """Look at the picture resized by each of these factors, 1 as it is; probabilities are averaged."""
    flip: bool = False
    """Also look at the mirrored picture."""

    def __post_init__(self) -> None:
        sides = (self.tile, self.tile) if isinstance(self.tile, int) else self.tile
        self.require("tile", sides is None or min(sides) >= 1, "a tile has 1 pixel or more on each side")
        self.require("overlap", 0 <= self.overlap < 1, "it is a share of a tile, from 0 to below 1")
        self.require(
            "scales", all(scale > 0 for scale in self.scales), "they must be numbers above 0, such as 0.75 1.0 1.25"
        )
        object.__setattr__(self, "tile", sides)  # one form of a tile everywhere


@dataclass(frozen=True)
class RuntimeConfig:
    """Where a network runs, and with which numbers."""

    precision: Precision = "32-true"
    """Of what is computed."""
    accelerator: Accelerator = "auto"
    """Where it runs."""
