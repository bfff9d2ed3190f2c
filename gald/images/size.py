"""Resizing pictures, and the sizes they get."""

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor


def short_side_size(height: int, width: int, side: int, longest: int | None = None) -> tuple[int, int]:
    """Height and width in pixels once the short side has ``side`` pixels, but the long one at most ``longest``."""
    short, long = min(height, width), max(height, width)
    if longest is None or long * side <= longest * short:
        numerator, denominator = side, short
    else:
        numerator, denominator = longest, long
    rows, columns = (max(1, (2 * own * numerator + denominator) // (2 * denominator)) for own in (height, width))
    return rows, columns


def fitting_factor(size: tuple[int, int], cell: tuple[int, int], most: float = 1.0) -> float:
    """By what a picture of ``size`` (height, width) is resized to fit a cell, at most by ``most``."""
    return min(most, cell[0] / size[0], cell[1] / size[1])


def resized(x: UInt8[Tensor, "c h w"], factor: float, mode: str = "bilinear") -> UInt8[Tensor, "c h2 w2"]:
    """A picture (or masks) resized, by area where it shrinks; at least one pixel a side."""
    size = tuple(max(1, round(side * factor)) for side in x.shape[1:])
    smooth = mode == "bilinear" and factor < 1
    return F.interpolate(x[None].float(), size, mode=mode, antialias=smooth)[0].round().clamp(0, 255).to(torch.uint8)
