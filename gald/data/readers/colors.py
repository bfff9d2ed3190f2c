"""Label maps that hold a colour for each class: colours to ids, and what an unknown colour is told as."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL.Image import Image
from torch import Tensor

from gald.images.io import Color
from gald.support.errors import UserError


def codes_of(picture: Image) -> np.ndarray | None:
    """Colours as one number each (H, W), or None for a picture without colours of its own."""
    if picture.mode not in ("RGB", "RGBA") or picture.format == "JPEG":
        return None
    red, green, blue = (np.asarray(picture.getchannel(i), np.int64) for i in range(3))
    return (red << 16) + (green << 8) + blue


def code_of(color: Color) -> int:
    """One number for a colour, as in `codes_of`."""
    return (color[0] << 16) + (color[1] << 8) + color[2]


def color_of(code: int) -> Color:
    """The colour of a number."""
    return code >> 16, code >> 8 & 255, code & 255


def ids_of_colors(codes: np.ndarray, ids: Mapping[Color, int], path: Path, table: str) -> UInt8[Tensor, "h w"]:
    """The ids of the colours of ``path``; one that ``table`` (in words) does not list raises with its place."""
    known = {code_of(color): value for color, value in ids.items()}
    listed = np.array(sorted(known))
    place = np.searchsorted(listed, codes).clip(max=len(listed) - 1)
    if (listed[place] != codes).any():
        raise UserError(_unknown(codes, listed[place] != codes, path, table))
    return torch.from_numpy(np.array([known[code] for code in listed.tolist()], np.uint8)[place])


def _unknown(codes: np.ndarray, wrong: np.ndarray, path: Path, table: str) -> str:
    y, x = np.argwhere(wrong)[0].tolist()
    more = len(np.unique(codes[wrong])) - 1
    others = f" (and {more} other unknown colours; were the edges smoothed by resizing?)" if more else ""
    color = color_of(int(codes[y, x]))
    return f"label {path} has the colour {color} at (x, y) = ({x}, {y}){others}, which {table} does not list"
