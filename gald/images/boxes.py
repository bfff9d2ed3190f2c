"""Boxes, masks, names and scores drawn over a picture, so that each can still be read."""

from collections.abc import Iterable, Sequence
from itertools import product

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from PIL import ImageDraw, ImageFont
from torch import Tensor

from gald.images.io import Color, as_image, as_tensor

OPACITY = 0.45  # of a mask's colour
Rectangle = tuple[int, int, int, int]  # left, top, right, bottom in pixels, the last two beyond the area


def draw_objects(
    image: UInt8[Tensor, "3 h w"],
    boxes: Float[Tensor, "n 4"],
    classes: Int64[Tensor, " n"],
    colors: Sequence[Color],
    names: Sequence[str],
    scores: Float[Tensor, " n"] | None = None,
    masks: Bool[Tensor, "n h w"] | None = None,
) -> UInt8[Tensor, "3 h w"]:
    """Tint the masks, frame the boxes (x1 y1 x2 y2 in pixels), name them, with their score if given.

    ``colors`` and ``names`` are by class. Large objects are drawn first, so that small ones stay in sight; a name
    stands where it covers no other name, if there is such a place at its box.
    """
    boxes, classes = boxes.cpu(), classes.cpu()
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0)
    order = sides.prod(1).argsort(descending=True, stable=True).tolist()
    if masks is not None:
        image = _tinted(image.cpu(), masks.cpu(), [(i, colors[int(classes[i])]) for i in order])
    canvas = as_image(image)
    draw = ImageDraw.Draw(canvas)
    short = min(canvas.size)
    font = ImageFont.load_default(min(max(11, short // 36), 28))
    frames = {i: _frame(boxes[i].tolist(), canvas.size) for i in order}
    for i in order:
        left, top, right, bottom = frames[i]
        line = max(1, min(round(short / 220), (right - left) // 8, (bottom - top) // 8))  # a small box stays open
        draw.rectangle((left, top, right - 1, bottom - 1), outline=colors[int(classes[i])], width=line)
    taken: list[Rectangle] = []
    for i in reversed(order):  # small boxes have fewer places for their names
        name, color = names[int(classes[i])], colors[int(classes[i])]
        text = name if scores is None else f"{name} {float(scores[i]):.2f}"
        left, top, right, bottom = plate = _free(frames[i], _extent(font, text), canvas.size, taken)
        taken.append(plate)
        draw.rectangle((left, top, right - 1, bottom - 1), fill=color)
        draw.text((left + 2, (top + bottom) // 2), text, fill=_ink(color), font=font, anchor="lm")
    return as_tensor(canvas)


def _tinted(image: Tensor, masks: Tensor, parts: Iterable[tuple[int, Color]]) -> Tensor:
    """Blend colours over the masks; where two overlap, the later one is seen."""
    mixed = image.float()
    for number, color in parts:
        inside = masks[number]
        mixed[:, inside] = image[:, inside] * (1 - OPACITY) + torch.tensor(color)[:, None] * OPACITY
    return mixed.round().to(torch.uint8)


def _frame(box: Sequence[float], size: tuple[int, int]) -> Rectangle:
    """The pixels that a box touches, at least one, within the picture."""
    left, top = (min(max(0, int(edge)), side - 1) for edge, side in zip(box[:2], size, strict=True))
    right, bottom = (min(-int(-edge // 1), side) for edge, side in zip(box[2:], size, strict=True))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _extent(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> tuple[int, int]:
    """Width and height of a name with its margin."""
    _, top, _, bottom = font.getbbox("Ag" + text)  # the same height for every name
    return round(font.getlength(text)) + 4, round(bottom - top) + 3


def _free(frame: Rectangle, extent: tuple[int, int], size: tuple[int, int], taken: Sequence[Rectangle]) -> Rectangle:
    """The first place at a box for a name: above, below, then inside; left, then right; over others if none is free."""
    (left, top, right, bottom), (width, height) = frame, extent
    rows = (top - height, bottom, top, bottom - height)
    places = [_within(x, y, extent, size) for y, x in product(rows, (left, right - width))]
    outside = [place for place in places if place[3] <= top or place[1] >= bottom]
    free = (place for place in (*outside, *places) if not any(_overlap(place, other) for other in taken))
    return next(free, (outside or places)[0])


def _within(x: int, y: int, extent: tuple[int, int], size: tuple[int, int]) -> Rectangle:
    left = max(0, min(x, size[0] - extent[0]))
    top = max(0, min(y, size[1] - extent[1]))
    return left, top, left + extent[0], top + extent[1]


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _ink(color: Color) -> str:
    """Black or white, whichever is easier to read on a colour (its luminance, ITU-R BT.601)."""
    return "black" if 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140 else "white"
