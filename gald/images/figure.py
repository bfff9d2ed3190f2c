"""A labelled figure of pictures in columns, drawn with Pillow: titles above, a legend of classes below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gald.images.io import Color, as_image, draw_legend

GAP = 8
GREY = (95, 95, 95)
HEAT = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))  # viridis, low to high


@dataclass(frozen=True)
class Column:
    """Pictures of one size below a title; in words such as ``F_GA``, what follows the underscore is set as an index."""

    title: str
    notes: tuple[str, ...]
    """Grey lines between the title and the pictures."""
    pictures: list[Tensor]
    """uint8 (3, H, W) each."""
    scale: tuple[str, str] | None = None
    """What the lowest and the highest colour of `heat` stand for: draws a bar below the column."""


def heat(values: Float[Tensor, "h w"], low: float, high: float) -> UInt8[Tensor, "3 h w"]:
    """Paint values from ``low`` to ``high`` (those beyond are clipped) in a colour scale of growing lightness."""
    anchors = torch.tensor(HEAT, dtype=torch.float32)
    place = ((values - low) / max(high - low, 1e-12)).clamp(0, 1) * (len(HEAT) - 1)
    below = place.long().clamp(max=len(HEAT) - 2)
    part = (place - below)[..., None]
    colors = anchors[below] * (1 - part) + anchors[below + 1] * part
    return colors.round().to(torch.uint8).permute(2, 0, 1).contiguous()


def figure(columns: Sequence[Column], legend: Sequence[tuple[str, Color | None]]) -> UInt8[Tensor, "3 h w"]:
    """Lay the columns side by side on white; letters grow with the pictures, so that a shrunk figure can be read."""
    height, width = columns[0].pictures[0].shape[1:]
    big, small = max(8, width // 10), max(7, width // 14)
    top = GAP + round(1.6 * big) + max(len(column.notes) for column in columns) * round(1.3 * small) + GAP
    bottom = top + len(columns[0].pictures) * (height + GAP)
    total = GAP + len(columns) * (width + GAP)
    strip = draw_legend(legend, total - GAP - (width + GAP if columns[-1].scale else 0), small)

    canvas = Image.new("RGB", (max(total, strip.shape[2] + GAP), bottom + GAP + strip.shape[1]), "white")
    for number, column in enumerate(columns):
        left = GAP + number * (width + GAP)
        _head(canvas, (left, GAP), column, big, small)
        for row, picture in enumerate(column.pictures):
            canvas.paste(as_image(picture), (left, top + row * (height + GAP)))
        if column.scale:
            draw_bar(canvas, (left, bottom + GAP // 2), width, column.scale, small)
    canvas.paste(as_image(strip), (GAP // 2, bottom + GAP // 2))
    return torch.from_numpy(np.array(canvas)).permute(2, 0, 1).contiguous()


def _head(canvas: Image.Image, place: tuple[int, int], column: Column, big: int, small: int) -> None:
    """Title and notes of a column."""
    draw, (x, y) = ImageDraw.Draw(canvas), place
    _write(draw, (x, y), column.title, big, "black")
    for line, note in enumerate(column.notes):
        _write(draw, (x, y + round(1.6 * big) + line * round(1.3 * small)), note, small, GREY)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, color: Color | str) -> None:
    """Write one line; ``F_GA`` with a lower, smaller index."""
    x, y = float(place[0]), place[1]
    for word in text.split(" "):
        main, _, index = word.partition("_")
        for part, height, drop in ((main, size, 0.0), (index, round(0.68 * size), 0.5 * size)):
            font = ImageFont.load_default(height)
            draw.text((x, y + drop), part, fill=color, font=font)
            x += font.getlength(part)
        x += 0.28 * size


def draw_bar(
    canvas: Image.Image,
    place: tuple[int, int],
    width: int,
    ends: tuple[str, str],
    size: int,
    paint: Callable[[Tensor], Tensor] | None = None,
) -> None:
    """The colour scale between the two values it stands for; ``paint`` maps levels (h, w) of 0 to 1 to colours."""
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size)
    (x, y), (low, high) = place, ends
    first, last = x + round(font.getlength(low)) + GAP, x + width - round(font.getlength(high)) - GAP
    levels = torch.linspace(0, 1, max(1, last - first)).expand(size, -1)
    canvas.paste(as_image(heat(levels, 0.0, 1.0) if paint is None else paint(levels)), (first, y + size // 4))
    for text, left in ((low, x), (high, last + GAP)):
        draw.text((left, y + size // 4 + size // 2), text, fill="black", font=font, anchor="lm")
