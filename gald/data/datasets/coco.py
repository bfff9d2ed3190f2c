"""COCO 2017 with boxes and masks, as published.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, arXiv 1405.0312. 118287 pictures to train and 5000
to validate; 80 classes, numbered 1 to 90 with gaps, become train ids 0 to 79 in that order.
"""

from pathlib import Path

from gald.data.detection import DetectionDataset
from gald.data.files import data_folder, find_one
from gald.data.readers.coco_json import read_dataset
from gald.support.errors import lookup

FOLDERS = {"train": "train2017", "val": "val2017"}
SOURCE = "get {}.zip from https://cocodataset.org/#download and unpack it there"


def coco(root: Path, split: str) -> DetectionDataset:
    """Find ``train`` or ``val``: ``annotations/instances_train2017.json`` with ``train2017/NAME.jpg``, and val2017."""
    folder = lookup(FOLDERS, split, "split")
    base = data_folder(root)
    file = find_one(base, [f"annotations/instances_{folder}.json"], SOURCE.format("annotations_trainval2017"))
    images = find_one(base, [folder, f"images/{folder}"], SOURCE.format(folder))
    return read_dataset(file, images, f"unpack {folder}.zip whole")


def splits(root: Path) -> list[str]:
    """The splits whose annotations lie in ``root``."""
    return [split for split, folder in FOLDERS.items() if (root / f"annotations/instances_{folder}.json").is_file()]
