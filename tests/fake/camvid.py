"""CamVid's two layouts with three tiny pictures a split; all 11 classes and void occur."""

from __future__ import annotations

from pathlib import Path

from fake.streets import label, picture

NAMES = ("0001TP_006690", "0006R0_f00930", "Seq05VD_f00000")
VALUES = tuple(range(12))


def write(root: Path) -> Path:
    """``SPLIT/images`` and ``SPLIT/labels``."""
    for split in ("train", "val", "test"):
        for seed, name in enumerate(NAMES):
            picture(root / split / "images" / f"{split}_{name}.jpg", seed=seed)
            label(root / split / "labels" / f"{split}_{name}.png", VALUES)
    return root


def write_listed(root: Path) -> Path:
    """The SegNet tutorial's: ``train``, ``trainannot`` and lists with another machine's paths."""
    for split in ("train", "val", "test"):
        lines = []
        for seed, name in enumerate(NAMES):
            picture(root / split / f"{split}_{name}.png", seed=seed)
            label(root / f"{split}annot" / f"{split}_{name}.png", VALUES)
            lines.append(f"/SegNet/CamVid/{split}/{split}_{name}.png /SegNet/CamVid/{split}annot/{split}_{name}.png")
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root
