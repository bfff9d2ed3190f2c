"""The pictures that gained and lost most: which they are, and what is shown of them."""

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64, Integer, UInt8
from PIL import Image
from torch import Tensor

from gald.analysis.compare.comparison import Comparison
from gald.analysis.compare.predictions import Predictions
from gald.data.labels import IGNORE
from gald.data.sampling import TransformedDataset
from gald.data.segmentation import SegmentationDataset, SegmentationSample
from gald.data.transforms.segmentation import evaluate
from gald.images.io import Color, as_image

EXAMPLES = 4  # pictures of either kind
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


MAP_COLORS = {
    "both right": BOTH,
    "only A right": ONLY_A,
    "only B right": ONLY_B,
    "neither": NEITHER,
    "not labelled": UNLABELLED,
}


class Example(NamedTuple):
    """A picture of the report: its gain (B - A, accuracy near boundaries), and what is drawn of it, as data URIs."""

    name: str
    gain: float
    drawings: dict[str, str]


def most_changed(
    near: Float64[Tensor, "n 2"], block: Int64[Tensor, " n"], count: int = EXAMPLES
) -> tuple[list[int], list[int]]:
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


def gallery(
    result: Comparison, dataset: SegmentationDataset, a: Predictions, b: Predictions
) -> tuple[list[Example], list[Example]]:
    """The pictures that gained and lost most, looked at again and drawn."""
    samples = TransformedDataset(dataset, evaluate())
    gain = (result.near[:, 1] - result.near[:, 0]).tolist()
    colors = [label.color for label in dataset.labels]

    def example(index: int) -> Example:
        return Example(dataset.name(index), gain[index], _drawings(index, samples[index], a, b, colors))

    gained, lost = most_changed(result.near, result.block)
    return [example(index) for index in gained], [example(index) for index in lost]


def _drawings(
    index: int, sample: SegmentationSample, a: Predictions, b: Predictions, colors: Sequence[Color]
) -> dict[str, str]:
    image, target = sample["image"], sample["mask"]
    map_a, map_b = (predictions.label_map(index, image) for predictions in (a, b))
    return {
        "picture": _jpeg(image),
        "truth": _png(target, colors),
        "A": _png(map_a, colors),
        "B": _png(map_b, colors),
        "who is right": _png(right_map(map_a, map_b, target), list(MAP_COLORS.values())),
    }


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
