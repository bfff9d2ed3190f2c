"""ADEChallengeData2016 with three tiny pictures a split: folders, names, modes and ids of the release."""

from __future__ import annotations

from pathlib import Path

from fake.streets import label, picture

from gald.data.ade20k import ARCHIVE
from gald.data.ade20k_classes import LABELS

VALUES = (0, 1, 7, 150)  # unlabelled, wall, road, flag
SPLITS = {"training": "train", "validation": "val"}


def write(root: Path) -> Path:
    base = root / ARCHIVE
    for folder, short in SPLITS.items():
        for number in range(1, 4):
            name = f"ADE_{short}_{number:08d}"
            picture(base / "images" / folder / f"{name}.jpg", seed=number)
            label(base / "annotations" / folder / f"{name}.png", VALUES)
    rows = [f"{each.id}\t0.1000\t100\t10\t{each.name}, something like it " for each in LABELS]
    (base / "objectInfo150.txt").write_text("\n".join(["Idx\tRatio\tTrain\tVal\tName", *rows]) + "\n")
    (base / "sceneCategories.txt").write_text("ADE_train_00000001 airport_terminal\n")
    return root
