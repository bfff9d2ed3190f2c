"""COCO's two ways to write a mask: polygons, and run lengths as numbers or as text.

The runs go down the columns of the picture, first the pixels outside, and their text holds each number in digits of 5
bits, from the third on as the difference to the one before the last (the COCO API's RLE, cocodataset.org/#format-data).
They are decoded here, so that a broken text is told and cannot upset a library in C. Polygons are filled by the
evaluator's package, because scores are only comparable if every border pixel falls as it does there.
"""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from gald.support.errors import UserError


def mask_of(segmentation: Any, height: int, width: int) -> Bool[Tensor, "{height} {width}"]:
    """Decode a ``segmentation``; `UserError` goes on from the words "object 3 of FILE"."""
    if isinstance(segmentation, dict):
        return _from_runs(segmentation, height, width)
    if isinstance(segmentation, list) and segmentation:
        return _from_polygons(segmentation, height, width)
    raise UserError(f"has the segmentation {_short(segmentation)}, which is neither polygons nor run lengths")


def runs_of(mask: Bool[Tensor, "h w"]) -> dict[str, Any]:
    """Encode a mask as run lengths in numbers, ``{"size": [height, width], "counts": [...]}``."""
    flat = mask.T.flatten().numpy()
    edges = np.flatnonzero(np.diff(flat, prepend=False)) if len(flat) else np.empty(0, int)
    counts = np.diff([0, *edges, len(flat)])
    return {"size": list(mask.shape), "counts": counts.tolist()}


def _from_runs(rle: dict[str, Any], height: int, width: int) -> Tensor:
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, list) or len(size) != 2:
        raise UserError("has run lengths without a 'size' of [height, width]")
    if size != [height, width]:
        raise UserError(f"has run lengths for {size[1]}x{size[0]} pixels, its picture is {width}x{height}")
    runs = _numbers(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise UserError(f"has run lengths that cannot be read: {_short(counts)}")
    if sum(runs) != height * width:
        raise UserError(f"has run lengths of {sum(runs)} pixels in all, its picture has {height * width}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return torch.from_numpy(flat.reshape(width, height).T.copy())


def _numbers(text: str) -> list[int]:
    """The numbers in the text form: digits from "0" on, the sixth bit says that more follow, the fifth is the sign."""
    numbers: list[int] = []
    value = shift = 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64:
            raise UserError(f"has run lengths with the character {character!r}, which is none of theirs")
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        numbers.append(value + (numbers[-2] if len(numbers) > 2 else 0))
        value = shift = 0
    if shift:
        raise UserError("has run lengths that break off")
    return numbers


def _from_polygons(polygons: list[Any], height: int, width: int) -> Tensor:
    for number, polygon in enumerate(polygons, 1):
        _check(polygon, number, height, width)
    try:
        from faster_coco_eval.core import mask
    except ImportError:
        raise UserError("is a polygon; masks from polygons need: pip install 'gald[detection]'") from None
    filled = mask.decode(mask.merge(mask.frPyObjects(polygons, height, width)))
    return torch.from_numpy(np.ascontiguousarray(filled, bool))


def _check(polygon: Any, number: int, height: int, width: int) -> None:
    """The filling trusts its numbers: what is absurd would cost memory, or worse."""
    if not isinstance(polygon, list) or not all(type(value) in (int, float) for value in polygon):
        raise UserError(f"has a polygon {number} that is not a list of numbers: {_short(polygon)}")
    if len(polygon) < 6 or len(polygon) % 2:
        points = f"{len(polygon) // 2} points" if len(polygon) % 2 == 0 else f"{len(polygon)} numbers"
        raise UserError(f"has a polygon {number} of {points}; it takes at least 3 points, x and y in turn")
    if not all(type(value) is int or math.isfinite(value) for value in polygon):  # JSON has whole ones of any length
        raise UserError(f"has a polygon {number} with a number that is not finite")
    # a little outside is common, and cut off by the filling
    if not all(-side <= value <= 2 * side for i, side in enumerate((width, height)) for value in polygon[i::2]):
        raise UserError(f"has a polygon {number} far outside its picture of {width}x{height} pixels")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
