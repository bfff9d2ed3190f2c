"""What an annotation says of a picture, and the checks that make its objects sound, whatever the format.

A wrong box is found here, in the loader, and named with file and number: later it would be a loss of NaN, or an object
that is never found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from gald.images.io import MAX_PIXELS
from gald.support.errors import UserError, nearest

SLACK = 2.0  # pixels that a box may stick out and is cut off: rounding, and files that count from 0 instead of 1
Box = tuple[float, float, float, float]


class ObjectAnnotation(NamedTuple):
    """An object as its file has it: ``label`` is the name or number of its class, ``mask`` reads bool (H, W).

    ``note`` are words by which it is found in the file, if its class alone does not do.
    """

    label: str | int
    box: Box
    ignored: bool = False
    area: float | None = None  # None: that of the mask, or of the box where there is no mask
    mask: Callable[[], Tensor] | None = None
    note: str = ""


class ImageAnnotation(NamedTuple):
    """What the annotations say of a picture: its size, its objects, and the place in words for messages."""

    height: int
    width: int
    things: Sequence[ObjectAnnotation]
    place: str


class Row(NamedTuple):
    """A `ObjectAnnotation` that has been checked."""

    box: Box
    kind: int
    ignored: bool
    area: float
    mask: Tensor | None


class Checked(NamedTuple):
    """The sound objects of a page, and sentences on those without an extent (left out) and on those that are wrong."""

    page: ImageAnnotation
    rows: list[Row]
    dropped: list[str]
    faults: list[str]


def check(page: ImageAnnotation, train_ids: Mapping[str | int, int], masks: bool) -> Checked:
    """Look at every object of a page; ``train_ids`` are the classes there are, ``masks`` says to decode masks too."""
    checked = Checked(page, [], [], [])
    for number, thing in enumerate(page.things, 1):
        place = f"object {number} ({thing.note or thing.label}) of {page.place}"
        try:
            row = _row(thing, page, place, train_ids, masks)
        except UserError as error:
            checked.faults.append(str(error))
            continue
        if row is None:
            checked.dropped.append(f"{place} has a box without width or height, {_shown(thing.box)}: left out")
        else:
            checked.rows.append(row)
    return checked


def _row(
    thing: ObjectAnnotation, page: ImageAnnotation, place: str, train_ids: Mapping[str | int, int], masks: bool
) -> Row | None:
    """The object, or None where its box has no extent."""
    if thing.label not in train_ids:
        names = [str(name) for name in train_ids]
        raise UserError(f"{place} is of a class that is not in the list{nearest(str(thing.label), names)}")
    box = _inside(thing.box, page, place)
    if box is None:
        return None
    mask = _mask(thing, page, place) if masks else None
    area = thing.area
    if area is None:
        area = (box[2] - box[0]) * (box[3] - box[1]) if mask is None else float(mask.sum())
    if not 0 <= area <= MAX_PIXELS:
        raise UserError(f"{place} has the area {area}: give its square pixels, or leave it out")
    return Row(box, train_ids[thing.label], thing.ignored, float(area), mask)


def _mask(thing: ObjectAnnotation, page: ImageAnnotation, place: str) -> Tensor:
    if thing.mask is None:
        raise UserError(f"{place} has no mask, others of the set have: add its segmentation or take boxes only")
    try:
        mask = thing.mask()
    except UserError as error:
        raise UserError(f"{place} {error}") from None
    if mask.shape != (page.height, page.width):
        rows, columns = mask.shape
        raise UserError(f"{place} has a mask of {columns}x{rows}, its picture is {page.width}x{page.height}")
    return mask


def _inside(box: Box, page: ImageAnnotation, place: str) -> Box | None:
    """The box cut to its picture, or None where it has no extent."""
    x1, y1, x2, y2 = box
    if not all(map(math.isfinite, box)):
        raise UserError(f"{place} has the box {_shown(box)}, which is not of finite numbers")
    if x2 < x1 or y2 < y1:
        raise UserError(f"{place} has a box of negative size, {_shown(box)}: swap its corners")
    if min(x1, y1) < -SLACK or x2 > page.width + SLACK or y2 > page.height + SLACK:
        raise UserError(
            f"{place} has the box {_shown(box)}, outside its picture of {page.width}x{page.height} pixels: "
            "correct it, or the size"
        )
    cut = (max(x1, 0.0), max(y1, 0.0), min(x2, float(page.width)), min(y2, float(page.height)))
    left, top, right, bottom = np.asarray(cut, np.float32).tolist()  # a sliver may vanish in float32
    return cut if right > left and bottom > top else None


def _shown(box: Box) -> str:
    """``x 3 to 7, y 1 to 2`` in continuous edges."""
    x1, y1, x2, y2 = box
    return f"x {x1:g} to {x2:g}, y {y1:g} to {y2:g}"
