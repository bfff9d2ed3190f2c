"""A look at boxes and masks before training.

Sizes are told as COCO tells them (small below 32 x 32 pixels of area, large from 96 x 96 on), because the size of the
objects decides on the resolution that a detector needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.annotation import CheckedAnnotation
from gald.data.checks.survey import Finding, Survey, absent_labels
from gald.data.detection import DetectionDataset
from gald.images.boxes import draw_objects
from gald.images.size import fitting_factor, resized

LIMITS = (32**2, 96**2)  # square pixels from which on an object is medium, and large
CELL = (320, 420)  # largest height and width of a picture on the contact sheet
ENLARGED = 3.0  # at most, so that names can be read beside the objects of tiny pictures


@dataclass
class DetectionSurvey(Survey[DetectionDataset]):
    """``objects`` (K, 3) counts those of each class by size, without the ``ignored`` ones.

    ``empty`` pictures have no object.
    """

    title = "objects: small + medium + large (pictures with it)"
    columns = ("id", "class")
    in_a_row = 3

    objects: Tensor = field(init=False)
    ignored: int = 0
    empty: int = 0

    def read_all(self) -> None:
        self.objects = torch.zeros(len(self.data.labels), 3, dtype=torch.int64)
        self.counts = [0] * len(self.data.labels)
        super().read_all()

    def look(self, index: int) -> None:
        with self.noting("annotations that cannot be read"):
            self._count(self.data.check(index))
            with self.noting("pictures at fault"):
                self.data.image(index)

    def _count(self, checked: CheckedAnnotation) -> None:
        annotation, objects = checked.annotation, checked.objects
        self.sizes[(annotation.height, annotation.width)] += 1
        self.empty += not objects
        self.ignored += sum(sound.ignored for sound in objects)
        for sound in objects:
            self.objects[sound.label, sum(sound.area >= limit for limit in LIMITS)] += not sound.ignored
        for label in {sound.label for sound in objects}:
            self.counts[label] += 1
        self.note("boxes without width or height, left out", checked.dropped, harmless=True)
        self.note("objects at fault", checked.faults)

    def cells(self) -> dict[tuple[str, str], str]:
        cells = super().cells() | {
            ("", "without objects"): str(self.empty),
            ("", "objects"): _by_size(self.objects.sum(0)),
            ("", "ignored (difficult, crowd)"): str(self.ignored),
        }
        for label, objects, pictures in zip(self.data.labels, self.objects, self.counts, strict=True):
            cells[str(label.id), label.name] = f"{_by_size(objects)} ({pictures})" if pictures else "never"
        return cells

    def draw(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """The picture with its objects."""
        sample, labels = self.data[index], self.data.labels
        factor = fitting_factor((sample["image"].shape[1], sample["image"].shape[2]), CELL, ENLARGED)
        image = resized(sample["image"].as_subclass(Tensor), factor)
        masks = sample.get("masks")
        if masks is not None:
            masks = resized(masks.byte(), factor, "nearest-exact").bool() if len(masks) else None
        names, colors = [label.name for label in labels], [label.color for label in labels]
        return draw_objects(image, sample["boxes"] * factor, sample["classes"], colors, names, masks=masks)


def _by_size(objects: Tensor) -> str:
    small, medium, large = objects.tolist()
    return f"{small + medium + large}: {small} + {medium} + {large}"


def check_classes(surveys: Sequence[DetectionSurvey]) -> list[Finding]:
    """The classes without an object and, where nobody listed the classes, those that may be misspelt."""
    absent = [f"class {label.id} {label.name} has no object in any split" for label in absent_labels(surveys)]
    doubts = surveys[0].data.doubts
    return [Finding("all splits", "classes without an object", sentence) for sentence in absent] + [
        Finding("all splits", "classes that may be misspelt", sentence) for sentence in doubts
    ]
