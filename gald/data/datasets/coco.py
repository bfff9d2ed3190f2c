"""COCO 2017 with boxes and masks, as published.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, arXiv 1405.0312. 118287 pictures to train and 5000
to validate; 80 classes, numbered 1 to 90 with gaps, become train ids 0 to 79 in that order.
"""

from __future__ import annotations

from pathlib import Path

from gald.data.detection import DetectionDataset
from gald.data.readers.coco_json import read_objects
from gald.data.readers.layout import part, unpacked
from gald.support.errors import lookup

FOLDERS = {"train": "train2017", "val": "val2017"}
DOWNLOAD = "https://cocodataset.org/#download"


def coco(root: Path, split: str) -> DetectionDataset:
    """Find ``train`` or ``val``: ``annotations/instances_train2017.json`` with ``train2017/NAME.jpg``, and val2017."""
    folder = lookup(FOLDERS, split, "split")
    unpacked(root)  # tells a root that is no folder
    notes = f"get annotations_trainval2017.zip from {DOWNLOAD} and unpack it there"
    pictures = f"get {folder}.zip from {DOWNLOAD} and unpack it there"
    file = part(root, [f"annotations/instances_{folder}.json"], notes)
    return read_objects(file, part(root, [folder, f"images/{folder}"], pictures), f"unpack {folder}.zip whole")


def splits(root: Path) -> list[str]:
    """The splits whose annotations lie in ``root``."""
    return [name for name, each in FOLDERS.items() if (root / f"annotations/instances_{each}.json").is_file()]
