"""COCO-Stuff's two releases: PNG maps of 0 to 181 beside COCO 2017's pictures, and the 10k's .mat files with lists."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from fake.matlab import mat
from fake.streets import ids, label, picture

VALUES = (0, 12, 91, 181, 255)  # person, stop sign, banner, wood, unlabelled
NUMBERS = (1, 13, 92, 182, 0)  # the same in the 10k release


def write164k(root: Path, maps: str = "annotations", images: str = "images/") -> Path:
    for folder, first in (("train2017", 9), ("val2017", 139)):
        for number in range(first, first + 3):
            picture(root / f"{images}{folder}" / f"{number:012d}.jpg", seed=number)
            label(root / maps / folder / f"{number:012d}.png", VALUES)
    return root


def write_test(root: Path) -> Path:
    """COCO's test2017 with three pictures, two of which are test-dev's, and the list that says so."""
    sizes = {1: (12, 20), 80: (15, 9), 90: (12, 20)}
    for number, size in sizes.items():
        picture(root / "test2017" / f"{number:012d}.jpg", size, number)
    images = [
        {"id": number, "file_name": f"{number:012d}.jpg", "height": sizes[number][0], "width": sizes[number][1]}
        for number in (90, 1)
    ]
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    content = {"info": {}, "licenses": [], "categories": [], "images": images}
    (root / "annotations" / "image_info_test-dev2017.json").write_text(json.dumps(content))
    return root


def write10k(root: Path) -> Path:
    (root / "imageLists").mkdir(parents=True)
    every = []
    for split, first in (("train", 77), ("test", 3000)):
        names = [f"COCO_train2014_{number:012d}" for number in range(first, first + 3)]
        (root / "imageLists" / f"{split}.txt").write_text("\n".join(names) + "\n")
        every += names
        for seed, name in enumerate(names):
            picture(root / "images" / f"{name}.jpg", seed=seed)
            write_mat(root / "annotations" / f"{name}.mat")
    (root / "imageLists" / "all.txt").write_text("\n".join(every) + "\n")
    return root


def write_mat(path: Path, values: tuple[int, ...] = NUMBERS, classes: int = 182) -> Path:
    names = np.array([f"class {i}" for i in range(classes)], object)[:, None]
    captions = np.array(["a street"], object)[:, None]
    regions = {"regionMapStuff": ids((1, 2)).astype(np.uint16), "regionLabelsStuff": np.array([[92], [93]], np.uint16)}
    return mat(path, S=ids(values).astype(np.uint16), names=names, captions=captions, **regions)
