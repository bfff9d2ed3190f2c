"""COCO-Stuff on all 164 thousand pictures of COCO 2017: 171 classes, 118287 train, 5000 val.

Caesar et al., CVPR 2018 (see `gald.data.datasets.coco_stuff_classes`). Its PNG maps hold COCO's number less one, 0 to
181, and 255 for unlabelled.
"""

from dataclasses import replace
from pathlib import Path

from gald.data.datasets import coco_stuff_classes
from gald.data.files import data_folder, find_one, find_pictures, pair_by_name
from gald.data.segmentation import SegmentationDataset
from gald.support.errors import lookup

LABELS = tuple(replace(label, id=label.id - 1) for label in coco_stuff_classes.LABELS)
FOLDERS = {"train": "train2017", "val": "val2017"}
PAGE = "https://github.com/nightrome/cocostuff"


def coco_stuff164k(root: Path, split: str) -> SegmentationDataset:
    """Find ``train`` or ``val``: ``images/train2017/NAME.jpg`` with ``annotations/train2017/NAME.png``, and val2017.

    The pictures may also lie in ``train2017`` as COCO's own archives do, the maps in ``stuffthingmaps``.
    """
    folder = lookup(FOLDERS, split, "split")
    base = data_folder(root, "dataset")
    pictures = f"get {folder}.zip from https://cocodataset.org/#download and unpack it in images/"
    maps = f"get stuffthingmaps_trainval2017.zip from {PAGE} and unpack it in annotations/"
    images = find_pictures(find_one(base, [f"images/{folder}", folder], pictures))
    masks = find_pictures(find_one(base, [f"annotations/{folder}", f"stuffthingmaps/{folder}"], maps))
    # a public toolbox leaves its converted labels beside the published ones
    masks = {name: path for name, path in masks.items() if not name.endswith("_labelTrainIds")}
    found = pair_by_name(images, masks)
    return found.require_all(SegmentationDataset(found.samples, LABELS))


def splits(root: Path) -> list[str]:
    """The splits whose pictures lie in ``root``."""
    base = data_folder(root, "dataset")
    return [split for split, name in FOLDERS.items() if (base / "images" / name).is_dir() or (base / name).is_dir()]
