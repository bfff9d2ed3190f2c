"""Sizes of resized pictures."""

from __future__ import annotations


def short_side_size(height: int, width: int, side: int, longest: int | None = None) -> tuple[int, int]:
    """Height and width in pixels once the short side has ``side`` pixels, but the long one at most ``longest``."""
    short, long = min(height, width), max(height, width)
    if longest is None or long * side <= longest * short:
        numerator, denominator = side, short
    else:
        numerator, denominator = longest, long
    rows, columns = (max(1, (2 * each * numerator + denominator) // (2 * denominator)) for each in (height, width))
    return rows, columns
