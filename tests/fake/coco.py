"""COCO 2017 with three tiny pictures a split: polygons, run lengths of a crowd, ids with gaps, an empty picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fake.streets import picture

from gald.data.datasets.coco_stuff_classes import LABELS

SIZE = (30, 40)  # height, width
CATEGORIES = [{"supercategory": "thing", "id": each.id, "name": each.name} for each in LABELS if each.id <= 90]
PARTS = {"train2017": (9, 25, 30), "val2017": (139, 285, 632)}


def content(ids: tuple[int, ...] = PARTS["train2017"]) -> dict[str, Any]:
    """The JSON of a split: person and dog as polygons, a crowd as run lengths; the last picture is empty."""
    height, width = SIZE
    images = [
        {"license": 4, "file_name": f"{i:012d}.jpg", "height": height, "width": width, "id": i, "flickr_url": ""}
        for i in ids
    ]
    crowd = {"counts": [5 * height, 4, height - 4, 4, (width - 7) * height + height - 4], "size": [height, width]}
    return {
        "info": {"description": "COCO 2017 Dataset"},
        "licenses": [{"id": 4, "name": "Attribution License", "url": ""}],
        "images": images,
        "annotations": [
            annotation(900100, ids[0], 1, [2, 1, 4, 3], [[2, 1, 6, 1, 6, 4, 2, 4]], area=12),
            annotation(
                42,
                ids[0],
                18,
                [10.5, 5.25, 20.25, 20],
                [[10.5, 5.25, 30.75, 5.25, 20, 15], [12, 20, 25, 20, 25, 25.25]],
            ),
            annotation(900100000007, ids[1], 1, [5, 0, 2, 4], crowd, area=8, crowd=1),
            annotation(7, ids[1], 90, [0, 0, 40, 30], [[0, 0, 40, 0, 40, 30, 0, 30]], area=1200),
        ],
        "categories": [dict(each) for each in CATEGORIES],
    }


def annotation(
    number: int, image: int, category: int, box: list[float], drawn: Any, area: float = 100.5, crowd: int = 0
) -> dict[str, Any]:
    return {
        "segmentation": drawn, "area": area, "iscrowd": crowd, "image_id": image, "bbox": box,
        "category_id": category, "id": number,
    }  # fmt: skip


def write(root: Path, images: str = "") -> Path:
    """``annotations/instances_train2017.json`` and ``train2017``, and so val2017."""
    (root / "annotations").mkdir(parents=True)
    for folder, ids in PARTS.items():
        (root / "annotations" / f"instances_{folder}.json").write_text(json.dumps(content(ids)))
        for i in ids:
            picture(root / f"{images}{folder}" / f"{i:012d}.jpg", SIZE, i)
    return root


def write_folder(root: Path, **changed: Any) -> Path:
    """``train/instances.json`` and ``train/images``, and val; ``changed`` replaces lists of train's JSON."""
    for split, ids in zip(("train", "val"), PARTS.values(), strict=True):
        for i in ids:
            picture(root / split / "images" / f"{i:012d}.jpg", SIZE, i)
        (root / split / "instances.json").write_text(json.dumps(content(ids) | (changed if split == "train" else {})))
    return root
