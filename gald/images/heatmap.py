"""The strengths of a map's positions as colours over the picture that it was made of, and a mark around one place."""

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))  # low to high
DENSITY = 0.85  # of the colour, everywhere the same, so that it can be read off the scale
GREY = 60.0  # the mean that the picture below has, in grey
CONTRAST = 0.35


def heat(values: Float[Tensor, "h w"], low: float = 0.0, high: float = 1.0) -> UInt8[Tensor, "3 h w"]:
    """Paint values from ``low`` to ``high`` (those beyond are clipped) in a colour scale of growing lightness."""
    anchors = torch.tensor(VIRIDIS, dtype=torch.float32)
    position = ((values - low) / max(high - low, 1e-12)).clamp(0, 1) * (len(VIRIDIS) - 1)
    below = position.long().clamp(max=len(VIRIDIS) - 2)
    part = (position - below)[..., None]
    colors = anchors[below] * (1 - part) + anchors[below + 1] * part
    return colors.round().to(torch.uint8).permute(2, 0, 1).contiguous()


def log_levels(
    strength: Float[Tensor, "h w"], place: tuple[int, int], floor: float
) -> tuple[Float[Tensor, "h w"], Float[Tensor, ""]]:
    """Logarithmic, 1 at the largest strength elsewhere than at ``place``, 0 at ``floor`` times that; and that largest.

    What is weaker is below 0; so is the place itself, which is often a hundred times stronger than all the others.
    """
    others = strength.clone()
    others[place] = 0
    largest = others.max()
    level = 1 - (others / largest.clamp(min=1e-30)).clamp(min=1e-30).log10() / math.log10(floor)
    return level, largest


def paint_levels(
    picture: UInt8[Tensor, "3 i j"], level: Float[Tensor, "h w"], place: tuple[int, int], cell: float
) -> UInt8[Tensor, "3 i j"]:
    """The picture dark and grey, over it the colour of each level from 0 to 1, and ``place`` white.

    ``cell`` is how many pixels of the picture a position is wide.
    """
    rows, columns = (((torch.arange(side) + 0.5) / cell).long() for side in picture.shape[1:])
    rows, columns = rows.clamp(max=level.shape[0] - 1), columns.clamp(max=level.shape[1] - 1)
    spread = level[rows][:, columns]
    gray = picture.float().mean(0)
    gray = (GREY + CONTRAST * (gray - gray.mean())).clamp(0, 255)
    colored = torch.where(spread >= 0, blended_heat(spread.clamp(min=0), gray).float(), gray)
    own = (rows == place[0])[:, None] & (columns == place[1])
    return torch.where(own, 255.0, colored).round().clamp(0, 255).to(torch.uint8)


def blended_heat(level: Float[Tensor, "h w"], gray: Float[Tensor, "h w"] | None = None) -> UInt8[Tensor, "3 h w"]:
    """The colours of levels over a grey picture, or over its mean."""
    below = torch.full_like(level, GREY) if gray is None else gray
    return (below * (1 - DENSITY) + heat(level) * DENSITY).round().to(torch.uint8)


def mark_place(picture: UInt8[Tensor, "3 i j"], place: tuple[int, int], cell: float) -> UInt8[Tensor, "3 i j"]:
    """A white ring with four ticks outwards, edged black, that leaves the place and its eight neighbours to be seen."""
    rows, columns = (torch.arange(side) + 0.5 for side in picture.shape[1:])
    down, right = rows[:, None] - (place[0] + 0.5) * cell, columns - (place[1] + 0.5) * cell
    distance, radius = (down**2 + right**2).sqrt(), max(8.0, 1.5 * 2**0.5 * cell + 2)
    diagonal = (down.abs() - right.abs()).abs() / 2**0.5

    def drawn(width: float) -> Tensor:
        ring = (distance - radius).abs() < width
        ticks = (diagonal < width) & (distance > radius) & (distance < radius + 5 + width)
        return ring | ticks

    edged = torch.where(drawn(2.1), torch.tensor(0, dtype=torch.uint8), picture)
    return torch.where(drawn(1.0), torch.tensor(255, dtype=torch.uint8), edged)
