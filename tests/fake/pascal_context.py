"""VOC 2010's folder with Pascal Context's labels, as published (.mat of 459 ids) or converted (PNG of 0 to 59)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fake.matlab import mat
from fake.streets import SIZE, ids, label, picture

NAMES = {"train": ("2008_000008", "2008_000015"), "val": ("2008_000002", "2008_000003")}
VALUES = (0, 2, 9, 397, 458, 431)  # empty, aeroplane, bag, table, wood, and umbrella's neighbour: none of the 59
RANKS = (0, 1, 2, 50, 59, 0)


def write(root: Path, converted: bool = False) -> Path:
    base = root / "VOCdevkit" / "VOC2010"
    lists = base / "ImageSets" / ("SegmentationContext" if converted else "Main")
    lists.mkdir(parents=True)
    for split, names in NAMES.items():
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for seed, name in enumerate(names):
            picture(base / "JPEGImages" / f"{name}.jpg", seed=seed)
            if converted:
                label(base / "SegmentationClassContext" / f"{name}.png", RANKS)
            else:
                mat(base / "trainval" / f"{name}.mat", LabelMap=wide(VALUES))
    return root


def wide(values: tuple[int, ...], size: tuple[int, int] = SIZE) -> np.ndarray:
    """Vertical bands of values above 255, in the type of the published files."""
    return np.array(values, np.uint16)[ids(tuple(range(len(values))), size)]
