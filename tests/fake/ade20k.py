"""ADEChallengeData2016 with three tiny pictures a split: folders, names, modes and ids of the release."""

from __future__ import annotations

from pathlib import Path

from fake.streets import label, picture

from gald.data.datasets.ade20k import ARCHIVE, LABELS

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


def write_test(root: Path) -> Path:
    """release_test, the other archive: pictures alone, their numbers with gaps, and two of another size."""
    base = root / "release_test"
    names = [f"ADE_test_{number:08d}" for number in (1, 2, 5, 9)]
    for seed, name in enumerate(names):
        picture(base / "testing" / f"{name}.jpg", (12, 20 + seed // 2), seed)
    (base / "list.txt").write_text("".join(f"{name}.jpg\n" for name in names))
    (base / "readme.txt").write_text("stands in for the release's\n")
    return root
