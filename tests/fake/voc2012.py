"""VOCdevkit/VOC2012 as its archives unpack, with the augmented labels beside; all 21 classes and void occur."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fake.streets import ids, label, picture
from PIL import Image
from scipy.io import savemat

from gald.data.datasets.voc2012 import LABELS

SIZE = (12, 44)  # height, width: two columns for each of the 22 values
VALUES = (*range(21), 255)
LISTS = {
    "train": ("2007_000032", "2007_000039"),
    "val": ("2007_000033", "2007_000042", "2007_000061"),
    "test": ("2008_000006", "2008_000011"),
    "trainaug": ("2007_000032", "2007_000039", "2008_000002"),
}


def write(root: Path, train_aug: bool = False) -> Path:
    """All splits. ``train_aug``: the augmented list as DeepLab's, with the paths of both files on each line."""
    base = root / "VOCdevkit" / "VOC2012"
    lists = base / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split in ("train", "val", "test"):
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in LISTS[split]))
    (lists / "trainval.txt").write_text("".join(f"{name}\n" for name in sorted(LISTS["train"] + LISTS["val"])))
    for seed, name in enumerate(sorted({name for names in LISTS.values() for name in names})):
        picture(base / "JPEGImages" / f"{name}.jpg", SIZE, seed)
    for name in LISTS["train"] + LISTS["val"]:
        with_palette(base / "SegmentationClass" / f"{name}.png")
        with_palette(base / "SegmentationObject" / f"{name}.png")
    for name in LISTS["trainaug"]:
        label(base / "SegmentationClassAug" / f"{name}.png", VALUES, SIZE)
    if train_aug:
        lines = [f"/JPEGImages/{name}.jpg /SegmentationClassAug/{name}.png\n" for name in LISTS["trainaug"]]
        (lists / "train_aug.txt").write_text("".join(lines))
    else:
        (lists / "trainaug.txt").write_text("".join(f"{name}\n" for name in LISTS["trainaug"]))
    return root


def write_sbd(root: Path) -> Path:
    """``benchmark_RELEASE/dataset/cls`` of SBD: a picture of its own, one of VOC's train, one of VOC's val."""
    folder = root / "benchmark_RELEASE" / "dataset" / "cls"
    folder.mkdir(parents=True)
    for name in ("2008_000002", LISTS["train"][0], LISTS["val"][0]):
        content = {"Segmentation": ids((0, 7, 20), SIZE), "Boundaries": np.zeros((20, 1)), "CategoriesPresent": [7, 20]}
        savemat(folder / f"{name}.mat", {"GTcls": content})
    return root


def with_palette(path: Path) -> Path:
    """A palette PNG whose indices are the classes, with 255 in the official cream colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(ids(VALUES, SIZE))
    palette = [value for label in LABELS for value in label.color] + [0] * (3 * (255 - len(LABELS)))
    picture.putpalette([*palette, 224, 224, 192])
    picture.save(path)
    return path
