"""Cityscapes' val with planted errors, and predictions of it; whole-number arithmetic alone, so the same everywhere.

Instances of very different sizes, crowds drawn as one, ids that are not scored in truth and in prediction, classes that
are only true, only predicted, or in neither.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fake.streets import picture
from PIL import Image

SIZE = (48, 96)  # height, width
NAMES = ("frankfurt_000000_000294", "frankfurt_000001_082466", "munster_000173_000019")
ABSENT = (12, 27)  # wall, truck: neither true nor predicted
BACKGROUND = (23, 21, 11, 8, 7, 6)  # sky, vegetation, building, sidewalk, road, ground (not scored), from above
STUFF = (0, 1, 4, 9, 10, 13, 17, 18, 19, 20, 22)
THINGS = (24, 25, 26, 28, 29, 30, 31, 32, 33)  # 29 and 30, caravan and trailer, are not scored


def noise(seed: int, most: int) -> np.ndarray:
    """A value from 0 to ``most - 1`` at every pixel; neighbours have little in common."""
    y, x = np.indices(SIZE).astype(np.uint64)
    value = (x * np.uint64(73856093)) ^ (y * np.uint64(19349663)) ^ np.uint64(seed * 83492791 + 12345)
    value = (value * np.uint64(2654435761)) % np.uint64(2**32)
    return ((value >> np.uint64(7)) % np.uint64(most)).astype(np.int64)


def truth(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Label ids and instance ids of a picture."""
    rows = np.arange(SIZE[0]) * len(BACKGROUND) // SIZE[0]
    labels = np.repeat(np.array(BACKGROUND)[rows][:, None], SIZE[1], axis=1)
    instances = labels.copy()
    for number in range(24):
        turn = seed * 31 + number * 7
        height, width = 2 + turn * 5 % 17, 2 + turn * 3 % 23
        top, left = turn * 11 % (SIZE[0] - height), turn * 29 % (SIZE[1] - width)
        area = np.s_[top : top + height, left : left + width]
        ids = THINGS if number % 3 else STUFF
        labels[area] = ids[(turn + number) % len(ids)]
        crowd = labels[top, left] in STUFF or number % 8 == 1
        instances[area] = labels[area] if crowd else labels[area] * 1000 + number
    return labels, instances


def guess(labels: np.ndarray, seed: int) -> np.ndarray:
    """A shifted copy with mistaken classes, a band of what is not scored, and single pixels of anything."""
    guessed = np.roll(labels, (seed % 3, 1 + seed % 2), axis=(0, 1))
    for true, taken in ((24, 25), (28, 26), (26, 29), (31, 30), (20, 19)):
        guessed[(guessed == true) & (noise(seed + true, 3) == 0)] = taken
    guessed[SIZE[0] // 2 : SIZE[0] // 2 + 2] = 0
    values = np.array([value for value in range(34) if value not in ABSENT])
    return np.where(noise(seed, 11) == 0, values[noise(seed + 1, len(values))], guessed)


def write(root: Path, seed: int = 0) -> Path:
    """``leftImg8bit`` and ``gtFine`` of val below ``root``; returns the folder of predictions."""
    for place, name in enumerate(NAMES):
        city = name.split("_")[0]
        picture(root / f"leftImg8bit/val/{city}/{name}_leftImg8bit.png", SIZE, place)
        labels, instances = truth(seed * 10 + place)
        folder = root / "gtFine" / "val" / city
        save(folder / f"{name}_gtFine_labelIds.png", labels.astype(np.uint8))
        save(folder / f"{name}_gtFine_instanceIds.png", instances.astype(np.uint16))
        # in a folder of its own, and with more behind the name, as networks name their files
        save(root / "results" / city / f"{name}_leftImg8bit.png", guess(labels, seed * 10 + place).astype(np.uint8))
    return root / "results"


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
