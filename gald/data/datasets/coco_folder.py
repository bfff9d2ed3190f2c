"""A folder of your own in COCO's format: boxes, and masks where the file has them."""

from pathlib import Path

from gald.data.detection import DetectionDataset
from gald.data.files import data_folder, find_one
from gald.data.readers.coco_json import read_dataset
from gald.support.errors import UserError, lookup

FILE = "instances.json"


def coco_folder(root: Path, split: str) -> DetectionDataset:
    """``SPLIT/images/NAME.*`` with ``SPLIT/instances.json``, any names of splits."""
    found = splits(data_folder(root))
    if not found:
        raise UserError(f"{root} holds no SPLIT/{FILE}, such as train/{FILE} beside train/images")
    lookup(dict.fromkeys(found), split, f"split of {root}")
    images = find_one(root, [f"{split}/images"], f"put the pictures of {split}/{FILE} there")
    return read_dataset(root / split / FILE, images, "add it, or take it and its objects out of the file")


def splits(root: Path) -> list[str]:
    """The folders in ``root`` with an ``instances.json``."""
    return sorted(path.parent.name for path in root.glob(f"*/{FILE}"))
