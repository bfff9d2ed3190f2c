"""A look before training: every file of a split is read, every fault noted, nothing stops at the first.

Most "IoU 0" and "device-side assert" reports come down to label values, and those are cheap to count beforehand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.segmentation import SegmentationDataset, check_sizes
from gald.images.figure import below, beside, framed, grid, legend, text
from gald.images.overlay import overlay
from gald.images.size import fitting_factor, resized
from gald.support.errors import UserError
from gald.support.tables import percent

T = TypeVar("T")
CELL = (240, 320)  # largest height and width of a picture on the contact sheet
HEAD = ("value", "class")  # of the table's columns before the splits
TITLE = "share of pixels (pictures with it)"


class Problem(NamedTuple):
    """One fault: which kind (for grouping), and the sentence that names the file."""

    kind: str
    sentence: str


@dataclass
class Survey:
    """What a split holds. ``pixels`` and ``seen_in`` count, for each of the 256 label values, pixels and pictures."""

    split: str
    data: SegmentationDataset
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (height, width) of the pictures
    pixels: Tensor = field(default_factory=lambda: torch.zeros(256, dtype=torch.int64))
    seen_in: Tensor = field(default_factory=lambda: torch.zeros(256, dtype=torch.int64))
    problems: list[Problem] = field(default_factory=list)
    good: list[int] = field(default_factory=list)  # indices of the pairs without a fault

    def share(self, value: int) -> float:
        """Part of all label pixels that have a value, 0 to 1."""
        return float(self.pixels[value]) / max(1, int(self.pixels.sum()))

    def strays(self) -> list[int]:
        """Values that occur and are neither a class nor ignored."""
        listed = {label.id for label in self.data.labels} | set(self.data.ignored)
        return [value for value in self.pixels.nonzero().flatten().tolist() if value not in listed]


def survey(
    split: str,
    data: SegmentationDataset,
    lonely: Sequence[str] = (),
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Survey:
    """Read all pairs of a split; ``lonely`` are the sentences about files without a partner."""
    found = Survey(split, data, problems=[Problem("files without a partner", sentence) for sentence in lonely])
    for index in progress(range(len(data))):
        before = len(found.problems)
        _look(found, index)
        if len(found.problems) == before:
            found.good.append(index)
    return found


def _look(found: Survey, index: int) -> None:
    data, files = found.data, found.data.files[index]
    image = try_(found.problems, "pictures that cannot be read", lambda: data.image(index))
    values = try_(found.problems, "labels that cannot be read", lambda: data.values(index))
    if image is not None:
        found.sizes[(image.shape[-2], image.shape[-1])] += 1
    if values is not None:
        counts = torch.bincount(values.flatten(), minlength=256)
        found.pixels += counts
        found.seen_in += counts > 0
        try_(found.problems, "labels with a value that is no class", lambda: data.to_train_ids(values, files.label))
    if image is not None and values is not None:
        try_(found.problems, "labels of another size than their picture", lambda: check_sizes(files, image, values))


def try_(problems: list[Problem], kind: str, work: Callable[[], T]) -> T | None:
    """What ``work`` returns; its `UserError` becomes a problem."""
    try:
        return work()
    except UserError as error:
        problems.append(Problem(kind, str(error)))
        return None


def never_seen(surveys: Sequence[Survey]) -> list[Problem]:
    """A problem for each class that no label of any split holds; it could be neither learned nor scored."""
    if not surveys:
        return []
    seen = torch.stack([each.pixels for each in surveys]).sum(0)
    missing = [label for label in surveys[0].data.labels if seen[label.id] == 0]
    # 0/255 masks are the most common cause: 255 is ignored, and the class that should have been 1 is empty
    hint = (
        "; do your masks use 255 for it? then give it the id 255"
        if 255 in surveys[0].data.ignored and seen[255]
        else ""
    )
    kind = "classes that occur in no label"
    return [Problem(kind, f"class {label.id} {label.name} occurs in no label{hint}") for label in missing]


def contact_sheet(surveys: Sequence[Survey], samples: int) -> UInt8[Tensor, "3 h w"] | None:
    """Faultless pairs, evenly over splits and within them, as picture | overlay in two columns, with one legend."""
    cells = [_cell(surveys[number], index) for number, index in evenly([each.good for each in surveys], samples)]
    if not cells:
        return None
    pictures = grid(cells, 2)
    labels = [(label.name, label.color) for label in surveys[0].data.labels]
    return framed(below([pictures, legend(labels, pictures.shape[2])]))


def evenly(good: Sequence[Sequence[int]], samples: int) -> list[tuple[int, int]]:
    """``samples`` pairs of (split, index), evenly over the splits and within each; ``good`` are the indices of each."""
    pairs: list[tuple[int, int]] = []
    for number, indices in enumerate(good):
        share = samples // len(good) + (number < samples % len(good))
        places = torch.linspace(0, len(indices) - 1, min(share, len(indices))).round().long().tolist()
        pairs += [(number, indices[place]) for place in places]
    return pairs


def _cell(found: Survey, index: int) -> Tensor:
    """One pair, shrunk to fit, above its name."""
    labels = found.data.labels
    sample = found.data[index]
    image, mask = sample["image"].as_subclass(Tensor), sample["mask"].as_subclass(Tensor)[None]
    factor = fitting_factor((image.shape[1], image.shape[2]), CELL)
    image, mask = resized(image, factor), resized(mask, factor, "nearest-exact")
    both = beside([image, overlay(image, mask[0], [label.color for label in labels])])
    return below([both, text(f"{found.split}/{sample['name']}", 14)], gap=4)


def rows(surveys: Sequence[Survey]) -> list[tuple[str, ...]]:
    """The table of ``gald data``: a column a split; the pictures, then every label value; empty rows divide."""
    lines = [
        ("", "pictures", *(str(len(each.data)) for each in surveys)),
        ("", "size", *(sizes_in_words(each.sizes) for each in surveys)),
        (),
    ]
    return lines + [(str(value), name, *(_share(each, value) for each in surveys)) for value, name in _values(surveys)]


def _values(surveys: Sequence[Survey]) -> list[tuple[int, str]]:
    first = surveys[0].data
    classes = [(label.id, label.name) for label in first.labels]
    ignored = [(value, "(ignored)") for value in first.ignored]
    return classes + ignored + [(value, "NO CLASS") for value in sorted({v for each in surveys for v in each.strays()})]


def _share(found: Survey, value: int) -> str:
    count = int(found.seen_in[value])
    return f"{percent(found.share(value), 2)} % ({count})" if count else "never"


def sizes_in_words(sizes: Counter[tuple[int, int]]) -> str:
    """``640x480``, or the smallest and the largest and how many there are."""
    ordered = sorted(sizes, key=lambda size: size[0] * size[1])
    shown = [f"{width}x{height}" for height, width in ordered]
    return "-" if not shown else shown[0] if len(shown) == 1 else f"{shown[0]} to {shown[-1]} ({len(shown)} sizes)"
