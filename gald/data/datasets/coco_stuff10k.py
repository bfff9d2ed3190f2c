"""COCO-Stuff on the first 10 thousand pictures of COCO, version 1.1: 171 classes, 9000 train, 1000 val.

Caesar et al., CVPR 2018 (see `gald.data.datasets.coco_stuff_classes`). Its .mat files hold COCO's number, 1 to 182, and
0 for unlabelled.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.datasets.coco_stuff_classes import LABELS
from gald.data.files import SampleFiles, data_folder, find_one, read_list, require_files
from gald.data.readers.matlab import label_map, read_mat
from gald.data.segmentation import SegmentationDataset
from gald.support.errors import UserError, lookup

LISTS = {"train": "train", "val": "test", "test": "test"}  # the authors' 9k/1k; their list of the 1k is called test
ARCHIVE = "cocostuff-10k-v1.1"
PAGE = "https://github.com/nightrome/cocostuff10k"
SOURCE = f"get {ARCHIVE}.zip from {PAGE} and unpack it whole"
OLD = 172  # classes that version 1.0 of the 10k names, in another numbering


def coco_stuff10k(root: Path, split: str) -> SegmentationDataset:
    """Find ``train`` or ``val`` (also called ``test``).

    ``images/NAME.jpg`` with ``annotations/NAME.mat`` and the lists ``imageLists/train.txt`` and ``test.txt``.
    """
    name = lookup(LISTS, split, "split")
    base = data_folder(root, "dataset", ARCHIVE)
    places = f"imageLists/{name}.txt", "images", "annotations"
    file, images, maps = (find_one(base, [place], SOURCE) for place in places)
    files = [SampleFiles(name, images / f"{name}.jpg", maps / f"{name}.mat") for name in sorted(read_list(file))]
    found = require_files(files, lambda _: SOURCE, str(file))
    return found.require_all(SegmentationDataset(found.samples, LABELS, ignored=(0,), read=_read_mat))


def _read_mat(path: Path) -> UInt8[Tensor, "h w"]:
    content = read_mat(path, "S", "names")
    if np.size(content.get("names", ())) == OLD:
        raise UserError(
            f"label {path} is of version 1.0, whose {OLD} classes have other numbers: get version 1.1 from {PAGE}"
        )
    return label_map(content, "S", path, most=255).to(torch.uint8)  # 183 to 255 are told by the data set, as for PNG


def splits(root: Path) -> list[str]:
    """The splits whose list lies in ``root``."""
    base = data_folder(root, "dataset", ARCHIVE)
    return [split for split in ("train", "val") if (base / "imageLists" / f"{LISTS[split]}.txt").is_file()]
