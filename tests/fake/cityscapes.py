"""Cityscapes as its archives unpack: two cities a part, 64x32; all label ids occur, with fine and coarse labels.

In every city the first picture has the 19 scored classes and 0 only; the others have all ids from 0 to 33.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from fake.streets import ids, picture
from PIL import Image

from gald.data.datasets.cityscapes import LABELS

SIZE = (32, 68)  # height, width: two columns for each of the 34 ids
ALL = tuple(range(34))
SCORED = (0, *(label.id for label in LABELS))
TEST = (0, 1, 2, 3)  # what the release says of its test pictures: bonnet, borders, the rest unlabelled
PARTS = {
    "train": ("aachen_000000_000019", "aachen_000001_000019", "zurich_000000_000019", "zurich_000121_000019"),
    "val": ("frankfurt_000000_000294", "frankfurt_000001_082466", "munster_000173_000019"),
    "test": ("berlin_000000_000019", "berlin_000543_000019"),
    "train_extra": ("bad-honnef_000000_000000", "bad-honnef_000000_000001", "troisdorf_000000_000073"),
}
KINDS = {"gtFine": ("train", "val", "test"), "gtCoarse": ("train", "val", "train_extra")}


def write(root: Path) -> Path:
    """``leftImg8bit``, ``gtFine`` and ``gtCoarse``."""
    for part, names in PARTS.items():
        for seed, name in enumerate(names):
            city = name.split("_")[0]
            picture(root / "leftImg8bit" / part / city / f"{name}_leftImg8bit.png", SIZE, seed)
            for kind, parts in KINDS.items():
                if part in parts:
                    annotation(root / kind / part / city, f"{name}_{kind}", values_of(part, seed))
    for archive in ("license.txt", "README"):
        (root / archive).write_text("stands in for the release's\n")
    return root


def values_of(part: str, seed: int) -> tuple[int, ...]:
    if part == "test":
        return TEST
    return ALL if seed else SCORED


def annotation(folder: Path, stem: str, values: tuple[int, ...]) -> None:
    """The four files of a picture: label ids, instance ids (16 bits, id * 1000 + number), colours, polygons."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = ids(values, SIZE)
    Image.fromarray(labels).save(folder / f"{stem}_labelIds.png")
    instances = np.where(labels >= 24, labels.astype(np.uint16) * 1000, labels).astype(np.uint16)
    Image.fromarray(instances).save(folder / f"{stem}_instanceIds.png")
    table = np.zeros((256, 4), np.uint8)
    table[:, 3] = 255
    for label in LABELS:
        table[label.id, :3] = label.color
    Image.fromarray(table[labels]).save(folder / f"{stem}_color.png")
    polygons = {"imgHeight": SIZE[0], "imgWidth": SIZE[1], "objects": []}
    (folder / f"{stem}_polygons.json").write_text(json.dumps(polygons))


def write_train_ids(root: Path, part: str = "train") -> Path:
    """The maps that the official csCreateTrainIdLabelImgs adds beside the label ids."""
    for path in sorted((root / "gtFine" / part).glob("*/*_labelIds.png")):
        table = np.full(256, 255, np.uint8)
        table[[label.id for label in LABELS]] = range(len(LABELS))
        train_ids = table[np.asarray(Image.open(path))]
        Image.fromarray(train_ids).save(path.with_name(path.name.replace("_labelIds", "_labelTrainIds")))
    return root
