"""Labelled figures: pictures, lines of text, legends and colour bars, put beside and below each other on white.

Every piece is itself a picture, uint8 (3, H, W), so a figure is made of `beside`, `below` and `grid`.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gald.images.io import Color, as_tensor

GAP = 8
BLACK, GREY = (0, 0, 0), (95, 95, 95)
INDEX = re.compile(r"(?<=\b[A-Z])_([A-Z]+)")  # of F_GA


# ---- putting together


def beside(parts: Sequence[UInt8[Tensor, "3 _ _"]], gap: int = GAP) -> UInt8[Tensor, "3 h w"]:
    """Pictures in a row, their tops aligned."""
    height, last = max(part.shape[1] for part in parts), len(parts) - 1
    padded = [_padded(part, gap * (i < last), height - part.shape[1]) for i, part in enumerate(parts)]
    return torch.cat(padded, 2)


def below(parts: Sequence[UInt8[Tensor, "3 _ _"]], gap: int = GAP) -> UInt8[Tensor, "3 h w"]:
    """Pictures in a column, their left sides aligned."""
    width, last = max(part.shape[2] for part in parts), len(parts) - 1
    padded = [_padded(part, width - part.shape[2], gap * (i < last)) for i, part in enumerate(parts)]
    return torch.cat(padded, 1)


def grid(cells: Sequence[UInt8[Tensor, "3 _ _"]], columns: int) -> UInt8[Tensor, "3 h w"]:
    """Pictures in rows of ``columns``, each column as wide as the widest picture."""
    width = max(cell.shape[2] for cell in cells)
    padded = [_padded(cell, width - cell.shape[2], 0) for cell in cells]
    return below([beside(padded[i : i + columns]) for i in range(0, len(cells), columns)])


def framed(picture: UInt8[Tensor, "3 _ _"], margin: int = GAP) -> UInt8[Tensor, "3 h w"]:
    """A picture with a white margin."""
    return F.pad(picture, (margin, margin, margin, margin), value=255)


def panel(
    title: str, notes: Sequence[str], pictures: Sequence[UInt8[Tensor, "3 _ _"]], size: int
) -> UInt8[Tensor, "3 h w"]:
    """Pictures in a column below a title, whose letters are ``size`` pixels high, and smaller grey notes."""
    heading = [text(title, size), *(text(note, round(size / 1.4), GREY) for note in notes)]
    return below([below(heading, gap=0), *pictures])


def _padded(part: Tensor, right: int, bottom: int) -> Tensor:
    return F.pad(part, (0, right, 0, bottom), value=255)


# ---- pieces


def text(words: str, size: int, color: Color = BLACK) -> UInt8[Tensor, "3 h w"]:
    """One line of letters ``size`` pixels high; an index as in ``F_GA`` is set lower and smaller."""
    large, small = ImageFont.load_default(size), ImageFont.load_default(max(1, round(0.68 * size)))
    parts = [(part, small if i % 2 else large, i % 2 * 0.5 * size) for i, part in enumerate(INDEX.split(words))]
    width = math.ceil(sum(font.getlength(part) for part, font, _ in parts))
    canvas = Image.new("RGB", (max(1, width), _line_height(size)), "white")
    draw, x = ImageDraw.Draw(canvas), 0.0
    for part, font, drop in parts:
        draw.text((x, drop), part, fill=color, font=font)
        x += font.getlength(part)
    return as_tensor(canvas)


def paragraph(words: str, width: int, size: int, color: Color = GREY) -> UInt8[Tensor, "3 h w"]:
    """Text in lines that are no wider than ``width`` pixels, unless one word is."""
    font, parts = ImageFont.load_default(size), words.split()
    lines = _lines([font.getlength(part) for part in parts], float(width), font.getlength(" "))
    return below([text(" ".join(parts[line]), size, color) for line in lines], gap=0)


def legend(entries: Sequence[tuple[str, Color]], width: int, size: int = 14) -> UInt8[Tensor, "3 h w"]:
    """Squares of colour with names, in lines that fit ``width`` pixels, unless one name doesn't."""
    items = [beside([_square(color, size), text(name, size)], gap=size // 3) for name, color in entries]
    lines = _lines([float(item.shape[2]) for item in items], float(width), float(size))
    return below([beside(items[line], gap=size) for line in lines], gap=size // 3)


def color_bar(
    ends: tuple[str, str], width: int, size: int, paint: Callable[[Float[Tensor, "h w"]], UInt8[Tensor, "3 h w"]]
) -> UInt8[Tensor, "3 h w"]:
    """A scale between the two values at its ends; ``paint`` gives levels from 0 to 1 their colours."""
    low, high = (text(end, size) for end in ends)
    long = max(1, width - low.shape[2] - high.shape[2] - 2 * GAP)
    levels = torch.linspace(0, 1, long).expand(size, -1)
    return beside([low, F.pad(paint(levels), (0, 0, _above(size), 0), value=255), high])


def _square(color: Color, size: int) -> Tensor:
    canvas = Image.new("RGB", (size, _line_height(size)), "white")
    top = _above(size)
    ImageDraw.Draw(canvas).rectangle((0, top, size - 1, top + size - 1), fill=color, outline="black")
    return as_tensor(canvas)


def _line_height(size: int) -> int:
    return math.ceil(1.3 * size)


def _above(size: int) -> int:
    """White rows above what is as high as the letters and stands beside them."""
    return round(0.12 * size)


def _lines(widths: Sequence[float], width: float, gap: float) -> Iterator[slice]:
    """The parts of each line when as many are put into one as fit."""
    start, filled = 0, 0.0
    for i, own in enumerate(widths):
        if i > start and filled + own > width:
            yield slice(start, i)
            start, filled = i, 0.0
        filled += own + gap
    yield slice(start, len(widths))
