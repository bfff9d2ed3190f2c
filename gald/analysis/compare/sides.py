"""The two sides of a comparison: whatever gives a label map for a picture, a network or a folder of predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from gald.data.files import find_files
from gald.data.labels import IGNORE
from gald.data.segmentation import SegmentationDataset
from gald.engine.scoring import prediction_files
from gald.engine.scoring.folder import label_maps
from gald.images.io import read_label
from gald.support.errors import UserError


@dataclass(frozen=True)
class Side:
    """A or B.

    ``label_map`` takes the number of a picture and the picture, uint8 (3, H, W), and gives its train ids (H, W) as
    integers on the CPU; the number of classes stands for "no class". It may be asked for a picture twice.
    """

    title: str
    label_map: Callable[[int, Tensor], Tensor]
    facts: Mapping[str, str] = field(default_factory=dict)
    """What is known of it, for the head of the report."""
    notes: tuple[str, ...] = ()
    """Sentences that the reader should see."""


def check_labels(pairs: SegmentationDataset) -> None:
    """Raise `UserError` where there is nothing to compare with."""
    if not len(pairs):
        raise UserError("there are no pictures to compare on")
    if not any(bool((pairs.mask(i) != IGNORE).any()) for i in range(len(pairs))):
        raise UserError("no pixel of the truth has a class: compare on a split whose labels are public, such as val")


def folder_side(folder: Path, pairs: SegmentationDataset, title: str) -> Side:
    """A folder of label maps in the data set's own ids; every file is checked before any work begins.

    Raises:
        UserError: see `gald.engine.scoring.folder.label_maps`.
    """
    for _, file, prediction, _ in label_maps(folder, pairs, f"check {title}"):
        pairs.to_train_ids(prediction, file)  # names a value that is no class
    found = prediction_files(folder, pairs)

    def label_map(index: int, image: Tensor) -> Tensor:
        file = found[pairs.name(index)]
        labels = pairs.to_train_ids(read_label(file), file).long()
        return labels.masked_fill(labels == IGNORE, len(pairs.labels))

    extra = sorted(set(find_files(folder, "**/*.png")) - set(found.values()))
    notes = (
        f"{len(extra)} PNG files in {title} are of no picture here: left out, as {each.name}" for each in extra[:1]
    )
    return Side(title, label_map, {"label maps": str(len(found))}, tuple(notes))
