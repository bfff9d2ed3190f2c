"""A look at label maps before training.

Most "IoU 0" and "device-side assert" reports come down to label values, and those are cheap to count beforehand.
"""

from __future__ import annotations

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

    pixels: Tensor = field(default_factory=lambda: torch.zeros(256, dtype=torch.int64))
    seen_in: Tensor = field(default_factory=lambda: torch.zeros(256, dtype=torch.int64))


def survey_label_maps(split: str, data: SegmentationDataset, missing: Sequence[str]) -> SegmentationSurvey:
    """Read every picture and label map; ``missing`` are the sentences about files without a partner."""
    survey = SegmentationSurvey(split, data, [Finding("files without a partner", sentence) for sentence in missing])
    survey.read_all(lambda index: _look(survey, data, index))
    survey.counts = [int(survey.pixels[label.id]) for label in data.labels]
    names = {label.id: label.name for label in data.labels} | dict.fromkeys(data.ignored, "(ignored)")
    strays = {value: "NO CLASS" for value in survey.pixels.nonzero().flatten().tolist() if value not in names}
    rows = {(str(value), name): _in_words(survey, value) for value, name in (names | strays).items()}
    survey.cells = survey.first_cells() | rows
    return survey


def _look(survey: SegmentationSurvey, data: SegmentationDataset, index: int) -> None:
    files = data.files[index]
    image: Tensor | None = None
    values: Tensor | None = None
    with survey.noting("pictures that cannot be read"):
        image = data.image(index)
        survey.sizes[(image.shape[-2], image.shape[-1])] += 1
    with survey.noting("labels that cannot be read"):
        values = data.values(index)
    if values is not None:
        counts = torch.bincount(values.flatten(), minlength=256)
        survey.pixels += counts
        survey.seen_in += counts > 0
        with survey.noting("labels with a value that is no class"):
            data.to_train_ids(values, files.label)
    if image is not None and values is not None:
        with survey.noting("labels of another size than their picture"):
            check_sizes(files, image, values)


def _in_words(survey: SegmentationSurvey, value: int) -> str:
    """A value's share of all label pixels, and the pictures that have it."""
    pixels, pictures = int(survey.pixels[value]), int(survey.seen_in[value])
    return f"{percent(pixels / int(survey.pixels.sum()), 2)} % ({pictures})" if pictures else "never"


def check_classes(surveys: Sequence[SegmentationSurvey]) -> list[Finding]:
    """The classes that never occur."""
    # 0/255 masks are the most common cause: 255 is ignored, and the class that should have been 1 is empty
    masked = 255 in surveys[0].data.ignored and any(survey.pixels[255] for survey in surveys)
    hint = "; do your masks use 255 for it? then give it the id 255" if masked else ""
    kind = "classes that occur in no label"
    return [
        Finding(kind, f"class {label.id} {label.name} occurs in no label{hint}") for label in absent_labels(surveys)
    ]


def draw_label_map(data: SegmentationDataset, index: int) -> UInt8[Tensor, "3 h w"]:
    """A picture, and beside it the same under the colours of its classes, to fit a cell of the contact sheet."""
    sample = data[index]
    image, mask = sample["image"].as_subclass(Tensor), sample["mask"].as_subclass(Tensor)[None]
    factor = fitting_factor((image.shape[1], image.shape[2]), CELL)
    image, mask = resized(image, factor), resized(mask, factor, "nearest-exact")
    return beside([image, overlay(image, mask[0], [label.color for label in data.labels])])
