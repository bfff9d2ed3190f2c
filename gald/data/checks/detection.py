"""A look at boxes and masks before training.

Sizes are told as COCO tells them (small below 32 x 32 pixels of area, large from 96 x 96 on), because the size of the
objects decides on the resolution that a detector needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.annotation import CheckedAnnotation
from gald.data.checks.survey import Finding, Survey
from gald.data.detection import DetectionDataset
from gald.data.labels import Label
from gald.images.boxes import draw_objects
from gald.images.size import fitting_factor, resized

LIMITS = (32**2, 96**2)  # square pixels from which on an object is medium, and large
CELL = (320, 420)  # largest height and width of a picture on the contact sheet
ENLARGED = 3.0  # at most, so that names can be read beside the objects of tiny pictures
RARE = 0.05  # a class with at most this share of the objects of another that is spelt alike may be a mistake
ALIKE = 0.65  # from which similarity of their names on


class DetectionSurvey(Survey[DetectionDataset]):
    """``counts`` (K, 3) are the objects of each class by size, without the ignored ones; ``seen_in`` (K,) pictures.

    ``first_seen`` names an object of each class by its file.
    """

    title = "objects: small + medium + large (pictures with it)"
    columns = ("id", "class")
    sheet_columns = 3
    missing_kind = "missing files"
    absent_kind = "classes without an object"

    def __init__(self, split: str, data: DetectionDataset, missing: Sequence[str] = ()) -> None:
        super().__init__(split, data, missing)
        self.counts = torch.zeros(len(data.labels), 3, dtype=torch.int64)
        self.seen_in = torch.zeros(len(data.labels), dtype=torch.int64)
        self.first_seen: dict[str, str] = {}
        self.ignored = 0
        self.empty = 0

    def look(self, index: int) -> None:
        """Read the annotation, check every object, and read the picture."""
        checked = self.attempt("annotations that cannot be read", lambda: self.data.check(index))
        if checked is not None:
            self._count(checked)
            self.attempt("pictures at fault", lambda: self.data.image(index))

    def _count(self, checked: CheckedAnnotation) -> None:
        annotation, objects = checked.annotation, checked.objects
        self.sizes[(annotation.height, annotation.width)] += 1
        self.empty += not objects
        self.ignored += sum(sound.ignored for sound in objects)
        for sound in objects:
            self.counts[sound.label, sum(sound.area >= limit for limit in LIMITS)] += not sound.ignored
        self.seen_in[list({sound.label for sound in objects})] += 1
        for number, found in enumerate(annotation.objects, 1):
            self.first_seen.setdefault(str(found.label), f"object {number} of {annotation.source}")
        self.findings += [Finding("boxes without width or height, left out", said, True) for said in checked.dropped]
        self.findings += [Finding("objects at fault", said) for said in checked.faults]

    def summary(self) -> dict[str, str]:
        """With the number of objects."""
        return super().summary() | {
            "without objects": str(self.empty),
            "objects": _by_size(self.counts.sum(0)),
            "ignored (difficult, crowd)": str(self.ignored),
        }

    def class_rows(self) -> dict[tuple[str, str], str]:
        """The classes in order."""
        return {
            (str(label.id), label.name): f"{_by_size(counts)} ({pictures})" if pictures else "never"
            for label, counts, pictures in zip(self.data.labels, self.counts, self.seen_in.tolist(), strict=True)
        }

    def occurs(self, train_id: int) -> bool:
        """Whether any picture has such an object."""
        return bool(self.seen_in[train_id])

    def absence(self, label: Label) -> str:
        """In words."""
        return f"class {label.id} {label.name} has no object in any split"

    def draw(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """The picture with its objects drawn."""
        sample, labels = self.data[index], self.data.labels
        factor = fitting_factor((sample["image"].shape[1], sample["image"].shape[2]), CELL, ENLARGED)
        image = resized(sample["image"].as_subclass(Tensor), factor)
        masks = sample.get("masks")
        if masks is not None:
            masks = resized(masks.byte(), factor, "nearest-exact").bool() if len(masks) else None
        names, colors = [label.name for label in labels], [label.color for label in labels]
        return draw_objects(image, sample["boxes"] * factor, sample["classes"], colors, names, masks=masks)


def misspelt_classes(surveys: Sequence[DetectionSurvey]) -> list[Finding]:
    """Classes that have few objects and almost the name of one that has many, where nobody listed the classes."""
    if surveys[0].data.labels_listed:
        return []
    names = [label.name for label in surveys[0].data.labels]
    counts = torch.stack([survey.counts.sum(1) for survey in surveys]).sum(0).tolist()
    times = dict(zip(names, counts, strict=True))
    findings = []
    for name, few in times.items():
        others = {other.casefold(): other for other, many in times.items() if 0 < few <= RARE * many}
        close = get_close_matches(name.casefold(), others, n=1, cutoff=ALIKE)
        if close:
            other, place = others[close[0]], next(s.first_seen[name] for s in surveys if name in s.first_seen)
            sentence = (
                f"the class {name!r} has {few} object{'s' * (few > 1)} (the first is {place}) and {other!r} has "
                f"{times[other]}: correct the name, or list both in a classes.txt"
            )
            findings.append(Finding("classes that may be misspelt", sentence))
    return findings


def _by_size(counts: Tensor) -> str:
    small, medium, large = counts.tolist()
    return f"{small + medium + large}: {small} + {medium} + {large}"
