"""A user's folder in each documented layout: three classes, id masks or colour masks."""

from __future__ import annotations

from pathlib import Path

from fake.streets import colors, label, picture

CLASSES = "0 road 128 64 128\n1 traffic light 250 170 30\n7 sky 70 130 180\n"
COLORS = ((128, 64, 128), (250, 170, 30), (70, 130, 180))
VALUES = (0, 1, 7, 255)
LAYOUTS = {
    "split first": ("{split}/images", "{split}/labels", ("train", "val")),
    "split last": ("images/{split}", "labels/{split}", ("train", "val")),
    "masks": ("{split}/images", "{split}/masks", ("train", "val")),
    "flat": ("images", "labels", ("all",)),
}


def write(root: Path, layout: str = "split first", colored: bool = False, ending: str = "") -> Path:
    images, masks, splits = LAYOUTS[layout]
    for split in splits:
        for seed in range(2):
            picture(root / images.format(split=split) / f"{split}{seed}.jpg", seed=seed)
            file = root / masks.format(split=split) / f"{split}{seed}{ending}.png"
            colors(file, COLORS) if colored else label(file, VALUES)
    (root / "classes.txt").write_text(CLASSES)
    return root
