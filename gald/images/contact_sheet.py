"""How the pictures of a contact sheet are chosen, fitted and laid out on white."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

GAP = 6


def chosen(good: Sequence[Sequence[int]], samples: int) -> list[tuple[int, int]]:
    """``samples`` pairs of (split, index), evenly over the splits and within each; ``good`` are the indices of each."""
    pairs: list[tuple[int, int]] = []
    for number, indices in enumerate(good):
        share = samples // len(good) + (number < samples % len(good))
        places = torch.linspace(0, len(indices) - 1, min(share, len(indices))).round().long().tolist()
        pairs += [(number, indices[place]) for place in places]
    return pairs


def factor_of(size: tuple[int, int], cell: tuple[int, int], most: float = 1.0) -> float:
    """By what a picture of ``size`` (height, width) is resized to fit a cell, at most by ``most``."""
    return min(most, cell[0] / size[0], cell[1] / size[1])


def fit(
    x: UInt8[Tensor, "c h w"], cell: tuple[int, int], mode: str = "bilinear", most: float = 1.0
) -> UInt8[Tensor, "c h2 w2"]:
    """Resize to fit a cell (height, width), keeping the shape."""
    height, width = x.shape[-2:]
    factor = factor_of((height, width), cell, most)
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    shrunk = F.interpolate(x[None].float(), size, mode=mode, antialias=mode == "bilinear")[0]
    return shrunk.round().clamp(0, 255).to(torch.uint8)


def in_rows(cells: Sequence[Tensor], columns: int) -> list[Tensor]:
    """Rows of ``columns`` cells; the last is filled up with white."""
    columns = min(columns, len(cells))
    white = [torch.full((3, 1, 1), 255, dtype=torch.uint8)] * (-len(cells) % columns)
    filled = [*cells, *white]
    return [beside(filled[i : i + columns]) for i in range(0, len(filled), columns)]


def beside(parts: Sequence[Tensor]) -> UInt8[Tensor, "3 h w"]:
    """Pictures in a row, with a gap after each."""
    height = max(part.shape[1] for part in parts)
    return torch.cat([F.pad(part, (0, GAP, 0, height - part.shape[1]), value=255) for part in parts], 2)


def below(parts: Sequence[Tensor]) -> UInt8[Tensor, "3 h w"]:
    """Pictures in a column, with a gap after each."""
    width = max(part.shape[2] for part in parts)
    return torch.cat([F.pad(part, (0, width - part.shape[2], 0, GAP), value=255) for part in parts], 1)
