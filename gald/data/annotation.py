"""What an annotation says of a picture, and the checks that make its objects sound, whatever the format.

A wrong box is found here, in the loader, and named with file and number: later it would be a loss of NaN, or an object
that is never found.
"""

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
    """What the annotations say of a picture: its size, its objects, and their source in words for messages."""

    height: int
    width: int
    objects: Sequence[ObjectAnnotation]
    source: str


class CheckedObject(NamedTuple):
    """An `ObjectAnnotation` that has been checked; ``label`` is the train id of its class."""

    label: int
    box: Box
    ignored: bool
    area: float
    mask: Tensor | None


class CheckedAnnotation(NamedTuple):
    """The sound objects of a picture, and sentences on those without an extent (left out) and on those at fault."""

    annotation: ImageAnnotation
    objects: list[CheckedObject]
    dropped: list[str]
    faults: list[str]


def check_annotation(annotation: ImageAnnotation, train_ids: Mapping[str | int, int], masks: bool) -> CheckedAnnotation:
    """Look at every object of a picture; ``train_ids`` are the classes, ``masks`` says to decode masks, too."""
    checked = CheckedAnnotation(annotation, [], [], [])
    for number, found in enumerate(annotation.objects, 1):
        place = f"object {number} ({found.note or found.label}) of {annotation.source}"
        try:
            sound = _check_object(found, annotation, place, train_ids, masks)
        except UserError as error:
            checked.faults.append(str(error))
            continue
        if sound is None:
            checked.dropped.append(f"{place} has a box without width or height, {_in_words(found.box)}: left out")
        else:
            checked.objects.append(sound)
    return checked


def _check_object(
    found: ObjectAnnotation, image: ImageAnnotation, place: str, train_ids: Mapping[str | int, int], masks: bool
) -> CheckedObject | None:
    """The object, or None where its box has no extent."""
    if found.label not in train_ids:
        names = [str(name) for name in train_ids]
        raise UserError(f"{place} is of a class that is not in the list{nearest(str(found.label), names)}")
    box = _clip_box(found.box, image, place)
    if box is None:
        return None
    mask = _read_mask(found, image, place) if masks else None
    area = found.area
    if area is None:
        area = (box[2] - box[0]) * (box[3] - box[1]) if mask is None else float(mask.sum())
    if not 0 <= area <= MAX_PIXELS:
        raise UserError(f"{place} has the area {area}: give its square pixels, or leave it out")
    return CheckedObject(train_ids[found.label], box, found.ignored, float(area), mask)


def _read_mask(found: ObjectAnnotation, image: ImageAnnotation, place: str) -> Tensor:
    if found.mask is None:
        raise UserError(f"{place} has no mask, others of the set have: add its segmentation or take boxes only")
    try:
        mask = found.mask()
    except UserError as error:
        raise UserError(f"{place} {error}") from None
    if mask.shape != (image.height, image.width):
        rows, columns = mask.shape
        raise UserError(f"{place} has a mask of {columns}x{rows}, its picture is {image.width}x{image.height}")
    return mask


def _clip_box(box: Box, image: ImageAnnotation, place: str) -> Box | None:
    """The box cut to its picture, or None where it has no extent."""
    x1, y1, x2, y2 = box
    if not all(map(math.isfinite, box)):
        raise UserError(f"{place} has the box {_in_words(box)}, which is not of finite numbers")
    if x2 < x1 or y2 < y1:
        raise UserError(f"{place} has a box of negative size, {_in_words(box)}: swap its corners")
    if min(x1, y1) < -SLACK or x2 > image.width + SLACK or y2 > image.height + SLACK:
        raise UserError(
            f"{place} has the box {_in_words(box)}, outside its picture of {image.width}x{image.height} pixels: "
            "correct it, or the size"
        )
    cut = (max(x1, 0.0), max(y1, 0.0), min(x2, float(image.width)), min(y2, float(image.height)))
    left, top, right, bottom = np.asarray(cut, np.float32).tolist()  # a sliver may vanish in float32
    return cut if right > left and bottom > top else None


def _in_words(box: Box) -> str:
    """``x 3 to 7, y 1 to 2`` in continuous edges."""
    x1, y1, x2, y2 = box
    return f"x {x1:g} to {x2:g}, y {y1:g} to {y2:g}"
