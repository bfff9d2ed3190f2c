"""A sheet of labelled pictures in rows and columns, with a colour scale and words below, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gald.images.figure import GREY, draw_bar
from gald.images.io import as_image

WIDTH = 1260  # pixels: what a page shows about as it is, so that the letters can be read
GAP = 10
BIG, SMALL = 18, 13
HEAD = BIG + SMALL + 12
LINE = SMALL + 6


@dataclass(frozen=True)
class Cell:
    """A picture, uint8 (3, H, W), below its name and a grey line."""

    name: str
    note: str
    picture: Tensor


@dataclass(frozen=True)
class Scale:
    """A colour scale: the values at its ends, and the colours of levels (h, w) from 0 to 1."""

    low: str
    high: str
    paint: Callable[[Tensor], Tensor]


def longest_side(cells: int) -> int:
    """For so many cells, how long their pictures may be: five in a row, fewer ones larger."""
    return (WIDTH - GAP) // max(2, min(cells, 5)) - GAP


def sheet(cells: Sequence[Cell], scale: Scale, words: Sequence[str]) -> UInt8[Tensor, "3 h w"]:
    """Lay the cells in rows on white, as many in each as fit; below them the scale, and lines of words."""
    height, width = cells[0].picture.shape[1:]
    step = (width + GAP, HEAD + height + GAP)
    columns = max(1, min(len(cells), (WIDTH - GAP) // step[0]))
    across = max(GAP + columns * step[0], WIDTH // 2)
    lines = list(_wrapped(words, across - 2 * GAP))
    below = GAP + math.ceil(len(cells) / columns) * step[1]
    canvas = Image.new("RGB", (across, below + (len(lines) + 1) * LINE + 2 * GAP), "white")
    for number, cell in enumerate(cells):
        _draw(canvas, (GAP + number % columns * step[0], GAP + number // columns * step[1]), cell)
    draw_bar(canvas, (GAP, below), min(460, across - 2 * GAP), (scale.low, scale.high), SMALL, scale.paint)
    for number, line in enumerate(lines, start=1):
        _write(canvas, (GAP, below + number * LINE + GAP), line, SMALL, GREY)
    return torch.from_numpy(np.array(canvas)).permute(2, 0, 1).contiguous()


def _wrapped(paragraphs: Iterable[str], width: int) -> Iterable[str]:
    """Lines that are no wider than that, unless one word is."""
    font = ImageFont.load_default(SMALL)
    for paragraph in paragraphs:
        line = ""
        for word in paragraph.split():
            if line and font.getlength(f"{line} {word}") > width:
                yield line
                line = word
            else:
                line = f"{line} {word}".lstrip()
        yield line


def _draw(canvas: Image.Image, place: tuple[int, int], cell: Cell) -> None:
    x, y = place
    _write(canvas, (x, y), cell.name, BIG, (0, 0, 0))
    _write(canvas, (x, y + BIG + 5), cell.note, SMALL, GREY)
    canvas.paste(as_image(cell.picture), (x, y + HEAD))


def _write(canvas: Image.Image, place: tuple[int, int], text: str, size: int, color: tuple[int, int, int]) -> None:
    ImageDraw.Draw(canvas).text(place, text, fill=color, font=ImageFont.load_default(size))
