"""A look at label maps before training.

Most "IoU 0" and "device-side assert" reports come down to label values, and those are cheap to count beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.checks.survey import Finding, Survey, absent_labels
from gald.data.segmentation import SegmentationDataset, check_sizes
from gald.images.figure import beside
from gald.images.overlay import overlay
from gald.images.size import fitting_factor, resized
from gald.support.tables import percent

CELL = (240, 320)  # largest height and width of a picture on the contact sheet


@dataclass
class SegmentationSurvey(Survey[SegmentationDataset]):
    """``pixels`` and ``seen_in`` count, for each of the 256 label values, pixels and pictures."""

    title = "share of pixels (pictures with it)"
    columns = ("value", "class")
    in_a_row = 2

    pixels: Tensor = field(default_factory=lambda: torch.zeros(256, dtype=torch.int64))
    seen_in: Tensor = field(default_factory=lambda: torch.zeros(256, dtype=torch.int64))

    def read_all(self) -> None:
        super().read_all()
        self.counts = [int(self.pixels[label.id]) for label in self.data.labels]

    def look(self, index: int) -> None:
        files = self.data.files[index]
        image: Tensor | None = None
        values: Tensor | None = None
        with self.noting("pictures that cannot be read"):
            image = self.data.image(index)
            self.sizes[(image.shape[-2], image.shape[-1])] += 1
        with self.noting("labels that cannot be read"):
            values = self.data.values(index)
        if values is not None:
            counts = torch.bincount(values.flatten(), minlength=256)
            self.pixels += counts
            self.seen_in += counts > 0
            with self.noting("labels with a value that is no class"):
                self.data.to_train_ids(values, files.label)
        if image is not None and values is not None:
            with self.noting("labels of another size than their picture"):
                check_sizes(files, image, values)

    def cells(self) -> dict[tuple[str, str], str]:
        names = {label.id: label.name for label in self.data.labels} | dict.fromkeys(self.data.ignored, "(ignored)")
        strays = {value: "NO CLASS" for value in self.pixels.nonzero().flatten().tolist() if value not in names}
        return super().cells() | {(str(value), name): self._share(value) for value, name in (names | strays).items()}

    def _share(self, value: int) -> str:
        """A value's share of all label pixels, and the pictures that have it."""
        pixels, pictures = int(self.pixels[value]), int(self.seen_in[value])
        return f"{percent(pixels / int(self.pixels.sum()), 2)} % ({pictures})" if pictures else "never"

    def draw(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """The picture, and beside it the same under the colours of its classes."""
        sample = self.data[index]
        image, mask = sample["image"].as_subclass(Tensor), sample["mask"].as_subclass(Tensor)[None]
        factor = fitting_factor((image.shape[1], image.shape[2]), CELL)
        image, mask = resized(image, factor), resized(mask, factor, "nearest-exact")
        return beside([image, overlay(image, mask[0], [label.color for label in self.data.labels])])


def check_classes(surveys: Sequence[SegmentationSurvey]) -> list[Finding]:
    """The classes that never occur."""
    # 0/255 masks are the most common cause: 255 is ignored, and the class that should have been 1 is empty
    masked = 255 in surveys[0].data.ignored and any(survey.pixels[255] for survey in surveys)
    hint = "; do your masks use 255 for it? then give it the id 255" if masked else ""
    sentences = [f"class {label.id} {label.name} occurs in no label{hint}" for label in absent_labels(surveys)]
    return [Finding("all splits", "classes that occur in no label", sentence) for sentence in sentences]
