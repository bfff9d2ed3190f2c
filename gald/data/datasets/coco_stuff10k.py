"""COCO-Stuff on the first 10 thousand pictures of COCO, version 1.1: 171 classes, 9000 train, 1000 val.

Caesar et al., CVPR 2018 (see `gald.data.datasets.coco_stuff_classes`). Its .mat files hold COCO's number, 1 to 182, and
0 for unlabelled.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.datasets.coco_stuff_classes import NUMBERED
from gald.data.readers.layout import listed, part, unpacked
from gald.data.readers.matlab import label_map, read_mat
from gald.data.segmentation import Label, SegmentationDataset, matched
from gald.images.io import distinct_color
from gald.support.errors import UserError, lookup

LABELS = tuple(Label(name, distinct_color(number), number) for number, name in NUMBERED)
LISTS = {"train": "train", "val": "test", "test": "test"}  # the authors' 9k/1k; their list of the 1k is called test
PAGE = "https://github.com/nightrome/cocostuff10k"
ARCHIVE = "cocostuff-10k-v1.1"
OLD = 172  # classes that version 1.0 of the 10k names, in another numbering


def coco_stuff10k(root: Path, split: str) -> SegmentationDataset:
    """Find ``train`` or ``val`` (also called ``test``).

    ``images/NAME.jpg`` with ``annotations/NAME.mat`` and the lists ``imageLists/train.txt`` and ``test.txt``.
    """
    name = lookup(LISTS, split, "split")
    base = unpacked(root, "dataset", ARCHIVE)
    source = f"get {ARCHIVE}.zip from {PAGE} and unpack it whole"
    file = part(base, [f"imageLists/{name}.txt"], source)
    images, maps = part(base, ["images"], source), part(base, ["annotations"], source)
    pictures, masks = listed(file, lambda n: images / f"{n}.jpg", lambda n: maps / f"{n}.mat")
    return matched(pictures, masks, partial(SegmentationDataset, labels=LABELS, ignored=(0,), read=_read_mat))


def _read_mat(path: Path) -> UInt8[Tensor, "h w"]:
    content = read_mat(path, "S", "names")
    if np.size(content.get("names", ())) == OLD:
        raise UserError(
            f"label {path} is of version 1.0, whose {OLD} classes have other numbers: get version 1.1 from {PAGE}"
        )
    return label_map(content, "S", path, most=255).to(torch.uint8)  # 183 to 255 are told by Pairs, as for PNG


def splits(root: Path) -> list[str]:
    """The splits whose list lies in ``root``."""
    base = unpacked(root, "dataset", ARCHIVE) if root.is_dir() else root
    return [name for name in ("train", "val") if (base / "imageLists" / f"{LISTS[name]}.txt").is_file()]
