"""A look at boxes and masks before training: every annotation and picture of a split is read, every fault noted.

Sizes are told as COCO tells them (small below 32 x 32 pixels of area, large from 96 x 96 on), because the size of the
objects decides on the resolution that a detector needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.annotation import CheckedAnnotation
from gald.data.checks.segmentation import Problem, evenly, sizes_in_words, try_
from gald.data.detection import DetectionDataset
from gald.images.boxes import draw_objects
from gald.images.figure import below, framed, grid, text
from gald.images.size import fitting_factor, resized

HEAD = ("id", "class")
TITLE = "objects: small + medium + large (pictures with it)"
LIMITS = (32**2, 96**2)  # square pixels from which on an object is medium, and large
CELL = (320, 420)  # largest height and width of a picture on the contact sheet
ENLARGED = 3.0  # at most, so that names can be read beside the objects of tiny pictures


@dataclass
class ObjectSurvey:
    """What a split holds; ``counts`` (K, 3) are the objects of each class by size, without the ignored ones."""

    split: str
    data: DetectionDataset
    counts: Tensor
    seen_in: Tensor  # (K,) pictures with a class
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (height, width) of the pictures
    ignored: int = 0
    empty: int = 0
    problems: list[Problem] = field(default_factory=list)
    good: list[int] = field(default_factory=list)  # indices of the pictures without a fault


def survey(
    split: str,
    data: DetectionDataset,
    lonely: Sequence[str] = (),
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> ObjectSurvey:
    """Read all of a split; ``lonely`` are the sentences about missing files."""
    classes = len(data.labels)
    zeros = torch.zeros(classes, 3, dtype=torch.int64), torch.zeros(classes, dtype=torch.int64)
    found = ObjectSurvey(split, data, *zeros, problems=[Problem("missing files", sentence) for sentence in lonely])
    for index in progress(range(len(data))):
        before = len(found.problems)
        checked = try_(found.problems, "annotations that cannot be read", lambda index=index: data.check(index))  # type: ignore[misc]
        if checked is not None:
            _count(found, checked)
            image = try_(found.problems, "pictures at fault", lambda index=index: data.image(index))  # type: ignore[misc]
            if image is not None and len(found.problems) == before:
                found.good.append(index)
    return found


def _count(found: ObjectSurvey, checked: CheckedAnnotation) -> None:
    found.sizes[(checked.annotation.height, checked.annotation.width)] += 1
    found.empty += not checked.objects
    found.ignored += sum(sound.ignored for sound in checked.objects)
    for sound in checked.objects:
        found.counts[sound.label, sum(sound.area >= limit for limit in LIMITS)] += not sound.ignored
    found.seen_in[list({sound.label for sound in checked.objects})] += 1
    found.problems += [Problem("boxes without width or height, left out", sentence) for sentence in checked.dropped]
    found.problems += [Problem("objects at fault", sentence) for sentence in checked.faults]


def never_seen(surveys: Sequence[ObjectSurvey]) -> list[Problem]:
    """A problem for each class without an object, and for splits whose classes are not the same."""
    if not surveys:
        return []
    first = surveys[0]
    strange = next((each for each in surveys if each.data.labels != first.data.labels), None)
    if strange is not None:
        here, there = ([label.name for label in each.data.labels] for each in (strange, first))
        only = [f"{name} in {strange.split} only" for name in here if name not in there]
        only += [f"{name} in {first.split} only" for name in there if name not in here]
        which = ", ".join(only[:4]) or "other ids or another order"
        sentence = f"the classes of {strange.split} are not those of {first.split} ({which}): give both the same list"
        return [Problem("splits that do not fit together", sentence)]
    seen = torch.stack([each.seen_in for each in surveys]).sum(0).tolist()
    missing = [label for label, times in zip(first.data.labels, seen, strict=True) if not times]
    kind = "classes without an object"
    return [Problem(kind, f"class {label.id} {label.name} has no object in any split") for label in missing]


def rows(surveys: Sequence[ObjectSurvey]) -> list[tuple[str, ...]]:
    """The table of ``gald data``: a column a split; the pictures, then every class; empty rows divide."""
    lines = [
        ("", "pictures", *(str(len(each.data)) for each in surveys)),
        ("", "size", *(sizes_in_words(each.sizes) for each in surveys)),
        ("", "without objects", *(str(each.empty) for each in surveys)),
        ("", "objects", *(_sizes(each.counts.sum(0)) for each in surveys)),
        ("", "ignored (difficult, crowd)", *(str(each.ignored) for each in surveys)),
        (),
    ]
    for number, label in enumerate(surveys[0].data.labels):
        lines.append((str(label.id), label.name, *(_cell_of(each, number) for each in surveys)))
    return lines


def _cell_of(found: ObjectSurvey, number: int) -> str:
    pictures = int(found.seen_in[number]) if number < len(found.seen_in) else 0
    return f"{_sizes(found.counts[number])} ({pictures})" if pictures else "never"


def _sizes(counts: Tensor) -> str:
    small, medium, large = counts.tolist()
    return f"{small + medium + large}: {small} + {medium} + {large}"


def contact_sheet(surveys: Sequence[ObjectSurvey], samples: int) -> UInt8[Tensor, "3 h w"] | None:
    """Faultless pictures with their objects drawn, evenly over splits and within them, in three columns."""
    cells = [_cell(surveys[number], index) for number, index in evenly([each.good for each in surveys], samples)]
    return framed(grid(cells, 3)) if cells else None


def _cell(found: ObjectSurvey, index: int) -> Tensor:
    """One picture, fitted, above its name."""
    sample, labels = found.data[index], found.data.labels
    factor = fitting_factor((sample["image"].shape[1], sample["image"].shape[2]), CELL, ENLARGED)
    image = resized(sample["image"].as_subclass(Tensor), factor)
    masks = sample.get("masks")
    if masks is not None and len(masks):
        masks = resized(masks.as_subclass(Tensor).byte(), factor, "nearest-exact").bool()
    elif masks is not None:
        masks = None
    names, colors = [label.name for label in labels], [label.color for label in labels]
    drawn = draw_objects(image, sample["boxes"] * factor, sample["classes"], colors, names, masks=masks)
    return below([drawn, text(f"{found.split}/{sample['name']}", 14)], gap=4)
