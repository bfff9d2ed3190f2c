"""Mapillary Vistas: 18000 training, 2000 validation, 5000 test pictures of many sizes, from all over the world.

Neuhold et al., "The Mapillary Vistas Dataset for Semantic Understanding of Street Scenes", ICCV 2017. Version 1.2 has
65 scored classes, 2.0 has 116; names, colours and which are scored are read from the release's own config. Its own
licence (research): never part of this package.
"""

import json
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.datasets import cityscapes
from gald.data.files import SampleFiles, data_folder, find_files, require_files
from gald.data.labels import Label
from gald.data.segmentation import SegmentationDataset, unlabelled
from gald.images.io import Color, label_values, open_picture
from gald.support.errors import UserError, lookup

HOW = "extract the archive of the release again, from https://www.mapillary.com/dataset/vistas (after registering)"
FOLDERS = {"train": "training", "val": "validation", "test": "testing"}  # the last has pictures only
# Version -> where labels and config may lie: the release of 2.0 holds both versions, the older one only its own.
LAYOUTS = {
    "1.2": (("v1.2/labels", "config_v1.2.json"), ("labels", "config_v1.2.json"), ("labels", "config.json")),
    "2.0": (("v2.0/labels", "config_v2.0.json"),),
}
# The 25 classes of 1.2 that are Cityscapes classes, as domain generalisation counts them (Choi et al., "RobustNet",
# CVPR 2021, arXiv 2103.15597); the rest is ignored. Others also take crosswalks and parking for road.
CITYSCAPES = {
    "road": "construction--flat--road marking--general object--manhole",
    "sidewalk": "construction--flat--sidewalk construction--barrier--curb",
    "building": "construction--structure--building",
    "wall": "construction--barrier--wall",
    "fence": "construction--barrier--fence",
    "pole": "object--support--pole object--support--utility-pole",
    "traffic light": "object--traffic-light",
    "traffic sign": "object--traffic-sign--front",
    "vegetation": "nature--vegetation",
    "terrain": "nature--terrain",
    "sky": "nature--sky",
    "person": "human--person",
    "rider": "human--rider--bicyclist human--rider--motorcyclist human--rider--other-rider",
    "car": "object--vehicle--car",
    "truck": "object--vehicle--truck",
    "bus": "object--vehicle--bus",
    "train": "object--vehicle--on-rails",
    "motorcycle": "object--vehicle--motorcycle",
    "bicycle": "object--vehicle--bicycle",
}
TO_CITYSCAPES = {name: label.id for label in cityscapes.LABELS for name in CITYSCAPES[label.name].split()}


class Entry(NamedTuple):
    """A label of the config, whose id is its place there; ``name`` is the long one, with its groups."""

    name: str
    label: Label
    scored: bool


def mapillary(root: Path, split: str) -> SegmentationDataset:
    """Version 1.2, 65 classes: ``training/images``, ``training/v1.2/labels`` (or ``training/labels``), the config."""
    return _all_classes(root, split, "1.2")


def mapillary_v2(root: Path, split: str) -> SegmentationDataset:
    """Version 2.0, 116 classes: ``training/images``, ``training/v2.0/labels``, ``config_v2.0.json``."""
    return _all_classes(root, split, "2.0")


def mapillary19(root: Path, split: str) -> SegmentationDataset:
    """Version 1.2 in Cityscapes' 19 classes and label ids, to train on before or beside Cityscapes."""
    entries, folder = _open(root, split, "1.2")
    table = torch.arange(256, dtype=torch.uint8)  # what the config does not list stays, and is refused as no class
    table[: len(entries)] = torch.tensor([TO_CITYSCAPES.get(entry.name, 0) for entry in entries])
    return _dataset(root, split, folder, cityscapes.LABELS, (0,), table)


def _all_classes(root: Path, split: str, version: str) -> SegmentationDataset:
    entries, folder = _open(root, split, version)
    labels = tuple(entry.label for entry in entries if entry.scored)
    # the last comes first: "Unlabeled", which stands for everything that is ignored when ids are written
    ignored = tuple(entry.label.id for entry in reversed(entries) if not entry.scored)
    return _dataset(root, split, folder, labels, ignored, torch.arange(256, dtype=torch.uint8))


def _dataset(
    root: Path, split: str, folder: str, labels: tuple[Label, ...], ignored: tuple[int, ...], table: Tensor
) -> SegmentationDataset:
    part = root / FOLDERS[split]
    images = {path.stem: path for path in find_files(part / "images", "*.jpg")}
    if split == "test":
        return unlabelled(images, labels, ignored, lambda _: HOW)
    names = sorted(images.keys() | {path.stem for path in find_files(part / folder, "*.png")})
    wanted = [SampleFiles(name, part / "images" / f"{name}.jpg", part / folder / f"{name}.png") for name in names]
    found = require_files(wanted, lambda _: HOW)
    return found.require_all(SegmentationDataset(found.samples, labels, ignored, partial(_read, table=table)))


def _open(root: Path, split: str, version: str) -> tuple[list[Entry], str]:
    """The config's labels, and the folder of the label maps below the split's."""
    part = lookup(FOLDERS, split, "split")
    root = data_folder(root)
    if not find_files(root / part / "images", "*.jpg"):
        raise UserError(f"{root} holds no pictures {part}/images/*.jpg: {HOW}")
    layouts = [places for places in LAYOUTS[version] if split == "test" or (root / part / places[0]).is_dir()]
    if not layouts:
        expected = " or ".join(dict.fromkeys(f"{part}/{folder}" for folder, _ in LAYOUTS[version]))
        raise UserError(f"{root} holds no labels of version {version} ({expected}): {HOW}")
    found = next(((root / config, folder) for folder, config in layouts if (root / config).is_file()), None)
    if found is None:
        expected = " or ".join(config for _, config in layouts)
        raise UserError(f"{root} holds no {expected}, which names the classes: {HOW}")
    return _entries(found[0]), found[1]


def _entries(config: Path) -> list[Entry]:
    try:
        return [
            Entry(entry["name"], Label(entry["readable"], _color(*entry["color"]), number), bool(entry["evaluate"]))
            for number, entry in enumerate(json.loads(config.read_text())["labels"])
        ]
    except (ValueError, KeyError, TypeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"{config} is not the config of a Vistas release ({what}): {HOW}") from None


def _color(red: int, green: int, blue: int) -> Color:
    return red, green, blue


def _read(path: Path, table: UInt8[Tensor, " 256"]) -> UInt8[Tensor, "h w"]:
    """The label map's values through ``table``; what lies in the folders beside ``labels`` is named."""
    picture = open_picture(path)
    if picture.mode not in ("1", "L", "P"):
        raise UserError(
            f"label {path} is no map of classes (mode {picture.mode}): the release's instances/ have 16 bits "
            f"(class * 256 + number) and its panoptic/ are RGB; put the file from labels/ there"
        )
    return table[label_values(picture, path).long()]


def splits(root: Path) -> list[str]:
    """The splits whose pictures lie in ``root``."""
    return [split for split, part in FOLDERS.items() if (root / part / "images").is_dir()]
