"""Label maps in their colours, alone and over the picture they belong to."""

from collections.abc import Sequence

import torch
from jaxtyping import Integer, UInt8
from torch import Tensor

from gald.images.figure import below, framed, legend
from gald.images.io import Color


def colorize(labels: Integer[Tensor, "h w"], palette: Sequence[Color]) -> UInt8[Tensor, "3 h w"]:
    """Paint train ids in their colours; any value outside the palette (255 = ignore) is black."""
    table = torch.tensor([*palette, (0, 0, 0)], dtype=torch.uint8)
    index = labels.cpu().long()
    index = torch.where((index >= 0) & (index < len(palette)), index, len(palette))
    return table[index].permute(2, 0, 1).contiguous()


def overlay(
    image: UInt8[Tensor, "3 h w"], labels: Integer[Tensor, "h w"], palette: Sequence[Color], opacity: float = 0.5
) -> UInt8[Tensor, "3 h w"]:
    """Blend the colours of train ids over a picture; ignored pixels show the picture itself."""
    known = ((labels >= 0) & (labels < len(palette))).cpu()
    mixed = image.cpu() * (1 - opacity) + colorize(labels, palette) * opacity
    return torch.where(known, mixed.round().to(torch.uint8), image.cpu())


def overlay_with_legend(
    image: UInt8[Tensor, "3 h w"], labels: Integer[Tensor, "h w"], palette: Sequence[Color], names: Sequence[str]
) -> UInt8[Tensor, "3 h2 w2"]:
    """`overlay`, and below it the names of the classes that are present.

    So the result is higher (and, for a picture narrower than a name, wider) than ``image``.
    """
    blended = overlay(image, labels, palette)
    present = sorted(i for i in set(labels.flatten().tolist()) if 0 <= i < len(palette))
    if not present:
        return blended
    letters = max(14, image.shape[2] // 50)  # as high on the screen for a large picture as for a small one
    margin, entries = letters // 3, [(names[i], palette[i]) for i in present]
    return below([blended, framed(legend(entries, image.shape[2] - 2 * margin, letters), margin)], gap=0)
