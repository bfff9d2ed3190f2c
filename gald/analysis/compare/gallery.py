"""The pictures that gained and lost most: which they are, and what is shown of them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64, Integer, UInt8
from PIL import Image
from torch import Tensor

from gald.analysis.compare.result import Comparison
from gald.analysis.compare.sides import Side
from gald.data.labels import IGNORE
from gald.data.segmentation import SegmentationSample
from gald.images.io import Color, as_image

SHOWN = 4  # pictures of either kind
SIDE = 480  # pixels: no shown picture is longer
QUALITY = 75  # of the photographs, in JPEG
# blue and orange of Okabe and Ito's palette, which people who see red and green alike tell apart too
ONLY_A, ONLY_B, BOTH, NEITHER, UNLABELLED = (
    (0, 114, 178),
    (230, 159, 0),
    (232, 232, 232),
    (120, 120, 120),
    (255, 255, 255),
)


class Shown(NamedTuple):
    """A picture of the report: its name and gain (B - A, accuracy near boundaries), and data URIs."""

    name: str
    gain: float
    photo: str
    truth: str
    a: str
    b: str
    map: str


def chosen(near: Float64[Tensor, "n 2"], block: Int64[Tensor, " n"], count: int = SHOWN) -> tuple[list[int], list[int]]:
    """Indices of the pictures that gained most and of those that lost most, the largest change first.

    One of each block at most, since neighbours in a video show the same. A picture without a change is neither; equals
    stand in the data set's order.
    """
    gain = (near[:, 1] - near[:, 0]).nan_to_num(0.0)
    return _largest(gain, block, count), _largest(-gain, block, count)


def _largest(values: Float64[Tensor, " n"], block: Int64[Tensor, " n"], count: int) -> list[int]:
    first: dict[int, int] = {}
    for i in values.argsort(descending=True, stable=True).tolist():
        if values[i] > 0:
            first.setdefault(int(block[i]), i)
    return list(first.values())[:count]


def right_map(
    a: Integer[Tensor, "h w"], b: Integer[Tensor, "h w"], target: Integer[Tensor, "h w"]
) -> UInt8[Tensor, "h w"]:
    """0 where both are right, 1 only A, 2 only B, 3 neither, 4 where the truth is not labelled."""
    result = 3 - 2 * (a == target).byte() - (b == target).byte()
    return result.masked_fill(target == IGNORE, 4)


def shown(index: int, gain: float, sample: SegmentationSample, sides: Sequence[Side], colors: Sequence[Color]) -> Shown:
    """Look at a picture again, and draw it."""
    image, target = sample["image"], sample["mask"]
    a, b = (side.label_map(index, image) for side in sides)
    cases = right_map(a, b, target)
    truth, drawn_a, drawn_b = (_png(each, colors) for each in (target, a, b))
    palette = (BOTH, ONLY_A, ONLY_B, NEITHER, UNLABELLED)
    return Shown(sample["name"], gain, _jpeg(image), truth, drawn_a, drawn_b, _png(cases, palette))


def gallery(
    result: Comparison, sample: Callable[[int], SegmentationSample], sides: Sequence[Side], colors: Sequence[Color]
) -> tuple[list[Shown], list[Shown]]:
    """The pictures that gained and lost most, drawn."""
    gain = (result.near[:, 1] - result.near[:, 0]).tolist()
    gained, lost = chosen(result.near, result.block)
    first, second = ([shown(i, gain[i], sample(i), sides, colors) for i in each] for each in (gained, lost))
    return first, second


def _small(image: Image.Image, how: Image.Resampling) -> Image.Image:
    factor = min(1.0, SIDE / max(image.size))
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), how) if factor < 1 else image


def _jpeg(picture: UInt8[Tensor, "3 h w"]) -> str:
    data = BytesIO()
    small = _small(as_image(picture), Image.Resampling.LANCZOS)
    small.save(data, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return _uri("jpeg", data)


def _png(labels: Integer[Tensor, "h w"], colors: Sequence[Color]) -> str:
    """A label map in its colours; what is no class is black."""
    known = torch.where((labels >= 0) & (labels < len(colors)), labels, 255).byte()
    image = Image.fromarray(known.contiguous().numpy())
    image.putpalette([value for color in colors for value in color] + [0] * (768 - 3 * len(colors)))
    data = BytesIO()
    _small(image, Image.Resampling.NEAREST).save(data, "PNG", optimize=True)
    return _uri("png", data)


def _uri(kind: str, data: BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
