"""A sheet of labelled pictures in rows and columns, with a colour scale and words below, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gald.figure import GREY, heat

GAP = 14
BIG, SMALL = 19, 13
HEAD = BIG + SMALL + 14


@dataclass(frozen=True)
class Cell:
    """A picture, uint8 (3, H, W), below its name and a grey line."""

    name: str
    note: str
    picture: Tensor


def sheet(cells: Sequence[Cell], ends: tuple[str, str], words: Sequence[str]) -> UInt8[Tensor, "3 h w"]:
    """Lay the cells in rows on white, about 16:10 together; below them a scale between ``ends``, and lines of words."""
    height, width = cells[0].picture.shape[1:]
    step = (width + GAP, HEAD + height + GAP)
    columns = min(len(cells), max(1, round(math.sqrt(1.6 * len(cells) * step[1] / step[0]))))
    rows = math.ceil(len(cells) / columns)
    below = GAP + rows * step[1]
    longest = max(ImageFont.load_default(SMALL).getlength(line) for line in words) if words else 0
    size = (max(GAP + columns * step[0], round(longest) + 2 * GAP), below + (len(words) + 1) * (SMALL + 7) + GAP)
    canvas = Image.new("RGB", size, "white")
    for number, cell in enumerate(cells):
        _draw(canvas, (GAP + number % columns * step[0], GAP + number // columns * step[1]), cell)
    _scale(canvas, (GAP, below), min(360, size[0] - 2 * GAP), ends)
    for line, text in enumerate(words, start=1):
        _write(canvas, (GAP, below + line * (SMALL + 7) + 4), text, SMALL, GREY)
    return torch.from_numpy(np.array(canvas)).permute(2, 0, 1).contiguous()


def _draw(canvas: Image.Image, place: tuple[int, int], cell: Cell) -> None:
    x, y = place
    _write(canvas, (x, y), cell.name, BIG, (0, 0, 0))
    _write(canvas, (x, y + BIG + 6), cell.note, SMALL, GREY)
    canvas.paste(_image(cell.picture), (x, y + HEAD))


def _scale(canvas: Image.Image, place: tuple[int, int], width: int, ends: tuple[str, str]) -> None:
    """The colours between the two values that they stand for."""
    (x, y), font = place, ImageFont.load_default(SMALL)
    first, last = (round(font.getlength(each)) + 8 for each in ends)
    ramp = heat(torch.linspace(0, 1, max(1, width - first - last)).expand(SMALL, -1), 0.0, 1.0)
    canvas.paste(_image(ramp), (x + first, y + 2))
    _write(canvas, (x, y), ends[0], SMALL, (0, 0, 0))
    _write(canvas, (x + width - last + 8, y), ends[1], SMALL, (0, 0, 0))


def _write(canvas: Image.Image, place: tuple[int, int], text: str, size: int, color: tuple[int, int, int]) -> None:
    ImageDraw.Draw(canvas).text(place, text, fill=color, font=ImageFont.load_default(size))


def _image(picture: UInt8[Tensor, "3 h w"]) -> Image.Image:
    return Image.fromarray(picture.permute(1, 2, 0).contiguous().cpu().numpy())
