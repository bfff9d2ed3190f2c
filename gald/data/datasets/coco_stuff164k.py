"""COCO-Stuff on all 164 thousand pictures of COCO 2017: 171 classes, 118287 train, 5000 val.

Caesar et al., CVPR 2018 (see `gald.data.datasets.coco_stuff_classes`). Its PNG maps hold COCO's number less one, 0 to
181, and 255 for unlabelled.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from gald.data.datasets.coco_stuff_classes import NUMBERED
from gald.data.readers.layout import part, unpacked
from gald.data.segmentation import IGNORE, Label, SegmentationDataset, matched, pictures_in
from gald.images.io import distinct_color
from gald.support.errors import lookup

LABELS = tuple(Label(name, distinct_color(number), number - 1) for number, name in NUMBERED)
FOLDERS = {"train": "train2017", "val": "val2017"}
PAGE = "https://github.com/nightrome/cocostuff"


def coco_stuff164k(root: Path, split: str) -> SegmentationDataset:
    """Find ``train`` or ``val``: ``images/train2017/NAME.jpg`` with ``annotations/train2017/NAME.png``, and val2017.

    The pictures may also lie in ``train2017`` as COCO's own archives do, the maps in ``stuffthingmaps``.
    """
    folder = lookup(FOLDERS, split, "split")
    base = unpacked(root, "dataset")
    pictures = f"get {folder}.zip from https://cocodataset.org/#download and unpack it in images/"
    maps = f"get stuffthingmaps_trainval2017.zip from {PAGE} and unpack it in annotations/"
    images = pictures_in(part(base, [f"images/{folder}", folder], pictures))
    masks = pictures_in(part(base, [f"annotations/{folder}", f"stuffthingmaps/{folder}"], maps))
    # a public toolbox leaves its converted labels beside the published ones
    masks = {name: path for name, path in masks.items() if not name.endswith("_labelTrainIds")}
    return matched(images, masks, partial(SegmentationDataset, labels=LABELS, ignored=(IGNORE,)))


def splits(root: Path) -> list[str]:
    """The splits whose pictures lie in ``root``."""
    base = unpacked(root, "dataset") if root.is_dir() else root
    return [name for name, each in FOLDERS.items() if (base / "images" / each).is_dir() or (base / each).is_dir()]
