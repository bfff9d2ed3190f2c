"""A look at label maps before training.

Most "IoU 0" and "device-side assert" reports come down to label values, and those are cheap to count beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.checks.survey import Survey
from gald.data.labels import Label
from gald.data.segmentation import SegmentationDataset, check_sizes
from gald.images.figure import beside
from gald.images.overlay import overlay
from gald.images.size import fitting_factor, resized
from gald.support.tables import percent

CELL = (240, 320)  # largest height and width of a picture on the contact sheet


class SegmentationSurvey(Survey[SegmentationDataset]):
    """``pixels`` and ``seen_in`` count, for each of the 256 label values, pixels and pictures."""

    title = "share of pixels (pictures with it)"
    columns = ("value", "class")
    sheet_columns = 2
    missing_kind = "files without a partner"
    absent_kind = "classes that occur in no label"

    def __init__(self, split: str, data: SegmentationDataset, missing: Sequence[str] = ()) -> None:
        super().__init__(split, data, missing)
        self.pixels = torch.zeros(256, dtype=torch.int64)
        self.seen_in = torch.zeros(256, dtype=torch.int64)

    def look(self, index: int) -> None:
        """Read picture and label map; values, and sizes against each other."""
        data, files = self.data, self.data.files[index]
        image = self.attempt("pictures that cannot be read", lambda: data.image(index))
        values = self.attempt("labels that cannot be read", lambda: data.values(index))
        if image is not None:
            self.sizes[(image.shape[-2], image.shape[-1])] += 1
        if values is not None:
            counts = torch.bincount(values.flatten(), minlength=256)
            self.pixels += counts
            self.seen_in += counts > 0
            self.attempt("labels with a value that is no class", lambda: data.to_train_ids(values, files.label))
        if image is not None and values is not None:
            self.attempt("labels of another size than their picture", lambda: check_sizes(files, image, values))

    def share(self, value: int) -> float:
        """Part of all label pixels that have a value, 0 to 1."""
        return float(self.pixels[value]) / max(1, int(self.pixels.sum()))

    def class_rows(self) -> dict[tuple[str, str], str]:
        """Classes, ignored values, then values that occur and are neither."""
        names = {label.id: label.name for label in self.data.labels} | dict.fromkeys(self.data.ignored, "(ignored)")
        occurring = self.pixels.nonzero().flatten().tolist()
        names |= {value: "NO CLASS" for value in occurring if value not in names}
        return {(str(value), name): self._in_words(value) for value, name in names.items()}

    def _in_words(self, value: int) -> str:
        pictures = int(self.seen_in[value])
        return f"{percent(self.share(value), 2)} % ({pictures})" if pictures else "never"

    def occurs(self, train_id: int) -> bool:
        """Whether any label map holds it."""
        return bool(self.pixels[self.data.labels[train_id].id])

    def absence(self, label: Label) -> str:
        """With a hint at 0/255 masks, the most common cause: 255 is ignored, and what should be 1 is empty."""
        hint = "; do your masks use 255 for it? then give it the id 255"
        masked = 255 in self.data.ignored and bool(self.pixels[255])
        return f"class {label.id} {label.name} occurs in no label{hint if masked else ''}"

    def draw(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """The picture, and beside it the same under the colours of its classes."""
        sample = self.data[index]
        image, mask = sample["image"].as_subclass(Tensor), sample["mask"].as_subclass(Tensor)[None]
        factor = fitting_factor((image.shape[1], image.shape[2]), CELL)
        image, mask = resized(image, factor), resized(mask, factor, "nearest-exact")
        return beside([image, overlay(image, mask[0], [label.color for label in self.data.labels])])
