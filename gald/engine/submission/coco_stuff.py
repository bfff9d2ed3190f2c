"""COCO-Stuff, the stuff segmentation challenge: a JSON list with a mask for each class of each picture, zipped.

From the official tools (github.com/nightrome/cocostuffapi): entries ``{"image_id", "category_id", "segmentation":
{"size": [height, width], "counts": run lengths}}``; ids 92 (banner) to 182 (wood) are stuff, and 183, "other", stands
for every thing. Any other id stops the evaluation, and so do a picture without an entry and a pixel in two masks.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from gald.data.datasets.coco_stuff164k import LABELS, coco_stuff164k
from gald.data.files import data_folder, find_one
from gald.data.labels import IGNORE, Label
from gald.data.segmentation import SegmentationDataset, unlabelled
from gald.engine.submission.png_zip import AGAIN, check_names, member, opened
from gald.engine.submission.server import LabelMapFile, Server
from gald.engine.submission.work import fault
from gald.images.io import read_label
from gald.support.errors import UserError
from gald.support.progress import track

FIRST, OTHER = 92, 183
LIST = "image_info_test-dev2017.json"
SOURCE = "get test2017.zip and image_info_test2017.zip from https://cocodataset.org/#download and unpack them there"


def pairs(root: Path, split: str) -> SegmentationDataset:
    """``val``, as for training, or ``test-dev``: the pictures of ``test2017`` that annotations/LIST names."""
    codec()
    if split == "val":
        return coco_stuff164k(root, "val")
    base = data_folder(root, "dataset")
    names = listed(find_one(base, [f"annotations/{LIST}", LIST], SOURCE))
    folder = find_one(base, ["images/test2017", "test2017"], SOURCE)
    return unlabelled({Path(name).stem: folder / name for name in names}, LABELS, (IGNORE,), lambda _: SOURCE)


def listed(file: Path) -> list[str]:
    """The names of the pictures in an ``image_info`` file."""
    try:
        return [str(image["file_name"]) for image in json.loads(file.read_text())["images"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is no list of COCO's pictures ({type(error).__name__}: {error}); {SOURCE}") from None


def codec() -> ModuleType:
    """The library's run lengths."""
    try:
        return import_module("faster_coco_eval.core.mask")
    except ImportError:
        raise UserError("COCO's masks need faster-coco-eval: pip install 'gald[detection]'") from None


def classes(labels: Sequence[Label]) -> tuple[Label, ...]:
    """COCO's number is the map's id plus one; things become "other"."""
    other = Label("other (any thing)", (0, 0, 0), OTHER)
    return tuple(other if label.id + 1 < FIRST else replace(label, id=label.id + 1) for label in labels)


def entries(label_map: LabelMapFile) -> list[dict[str, Any]]:
    """A picture's masks, one for each class that is present."""
    values = read_label(label_map.file).numpy()
    present = np.unique(values)
    masks = np.asfortranarray(values[:, :, None] == present).astype(np.uint8, order="F")
    codes = zip(present.tolist(), codec().encode(masks), strict=True)
    return [
        {
            "image_id": int(label_map.name),
            "category_id": category,
            "segmentation": {"size": list(label_map.size), "counts": code["counts"].decode("ascii")},
        }
        for category, code in codes
    ]


def file_name(split: str) -> str:
    """As COCO's servers call results: kind, split, method."""
    return f"stuff_{split}2017_gald_results.json"


def pack(maps: Sequence[LabelMapFile], split: str) -> bytes:
    """The archive with the one JSON file, written picture by picture."""
    content = BytesIO()
    information = member(file_name(split))
    information.compress_type = ZIP_DEFLATED
    with ZipFile(content, "w") as archive, archive.open(information, "w", force_zip64=True) as file:
        before = b"["
        for label_map in track(maps, "pack", len(maps)):
            for entry in entries(label_map):
                file.write(before + json.dumps(entry).encode())
                before = b",\n"
        file.write(b"]")
    return content.getvalue()


def check(archive: Path, maps: Sequence[LabelMapFile], split: str, allowed: frozenset[int]) -> set[int]:
    """Every picture's masks, read back, are its label map: no pixel twice, none left out, only the server's ids."""
    with opened(archive) as content:
        check_names(archive, content.namelist(), [file_name(split)])
        found: dict[int, list[dict[str, Any]]] = {}
        for entry in json.loads(content.read(file_name(split))):
            found.setdefault(entry["image_id"], []).append(entry)
    check_names(archive, [*map(str, found)], [str(int(label_map.name)) for label_map in maps])
    seen: set[int] = set()
    for label_map in track(maps, "check", len(maps)):
        name, file, masks = label_map.name, label_map.file, found[int(label_map.name)]
        wrong = fault(file, label_map.size, allowed)
        if wrong or not same(masks, label_map):
            raise UserError(f"{archive}: {wrong or f'the masks of picture {name} are not {file}'}; {AGAIN}")
        seen |= {entry["category_id"] for entry in masks}
    return seen


def same(masks: Sequence[dict[str, Any]], label_map: LabelMapFile) -> bool:
    """Whether masks give a label map back, each pixel once."""
    if any(entry["segmentation"]["size"] != list(label_map.size) for entry in masks):
        return False
    codes = [{**entry["segmentation"], "counts": entry["segmentation"]["counts"].encode()} for entry in masks]
    layers = codec().decode(codes).astype(np.int64)
    values = (layers * [entry["category_id"] for entry in masks]).sum(2)
    return bool((layers.sum(2) == 1).all() and (values == read_label(label_map.file).numpy()).all())


SERVER = Server(
    splits=("test-dev", "val"),
    pairs=pairs,
    classes=classes,
    pack=pack,
    check=check,
    page="https://cocodataset.org/#upload",
)
