"""The original CamVid: all pictures in one folder, colour masks NAME_L.png in another, and label_colors.txt."""

from __future__ import annotations

from pathlib import Path

from fake.streets import colors, picture

from gald.data.datasets.camvid32 import CLASSES

SPLITS = {
    "train": ("0001TP_006690", "0001TP_008520", "0006R0_f00930", "0016E5_07920", "0016E5_08190"),
    "val": ("0016E5_07959", "0016E5_08159"),
    "test": ("0001TP_008550", "0001TP_010380", "Seq05VD_f00000", "Seq05VD_f05100"),
}
SIZE = (12, 64)  # height and width; two columns for each of the 32 colours


def write(root: Path) -> Path:
    for seed, name in enumerate(name for names in SPLITS.values() for name in names):
        picture(root / "701_StillsRaw_full" / f"{name}.png", SIZE, seed)
        colors(root / "LabeledApproved_full" / f"{name}_L.png", tuple(label.color for label in CLASSES), SIZE)
    rows = ["{} {} {}\t\t{}".format(*label.color, label.name) for label in CLASSES]
    (root / "label_colors.txt").write_text("\n".join(rows) + "\n")
    return root
