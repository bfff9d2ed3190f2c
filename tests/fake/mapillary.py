"""Mapillary Vistas as its archives unpack: the release of 2.0, which holds the labels of 1.2 too, and the older one.

The configs have the published names, colours and flags. The first picture of a part has the values that a network can
give back; the others have all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from fake.streets import ids, picture
from PIL import Image

SIZE = (12, 248)  # height, width: two columns for each of the 124 labels of 2.0
PARTS = {  # keys like the release's: 22 letters, a hyphen or underscore among them
    "training": ("0035fkbjWljhaftpVM37-g", "00qclUcInksIYnm19b1Xfw"),
    "validation": ("-6r0VmcSpb5nuRXoQ52HnA", "03G8WHFnNfiJR-457i0MWQ"),
    "testing": ("07JFnUtZqJzMIdyfX3TTSg", "0EYvrh3fHxb1GC_6qQZ36w"),
}


def labels_of(version: str) -> list[dict[str, Any]]:
    """The config's list, from the table beside this file."""
    lines = (Path(__file__).parent / f"mapillary_v{version}.txt").read_text().splitlines()
    fields = [line.split("|") for line in lines if not line.startswith("#")]
    return [
        {
            "name": name,
            "readable": readable,
            "color": [int(value) for value in color.split()],
            "instances": instances == "1",
            "evaluate": not flags,
        }
        for name, readable, color, instances, *flags in fields
    ]


def write(root: Path) -> Path:
    """The release of 2.0: ``training/images``, ``training/v1.2``, ``training/v2.0``, and so validation."""
    pictures(root)
    for version in ("1.2", "2.0"):
        config(root / f"config_v{version}.json", version)
        for part in ("training", "validation"):
            annotations(root, part, f"v{version}/", version)
    return root


def write_old(root: Path) -> Path:
    """The release before it: ``training/labels`` in version 1.2, and ``config.json``."""
    pictures(root)
    config(root / "config.json", "1.2")
    for part in ("training", "validation"):
        annotations(root, part, "", "1.2")
    return root


def pictures(root: Path) -> None:
    for part, names in PARTS.items():
        for seed, name in enumerate(names):
            picture(root / part / "images" / f"{name}.jpg", SIZE, seed)


def config(path: Path, version: str) -> None:
    number, mapping = {"1.2": (1.1, "public"), "2.0": ("2.0", "mvd20")}[version]  # 1.2's own config calls itself 1.1
    structure = "{split}/{content}/{key:.{22}}.{ext}"
    content = {"labels": labels_of(version), "version": number, "mapping": mapping, "folder_structure": structure}
    path.write_text(json.dumps(content))


def annotations(root: Path, part: str, below: str, version: str) -> None:
    """``labels`` (palette), ``instances`` (16 bits, class * 256 + number) and ``panoptic`` (colours) of a part."""
    labels = labels_of(version)
    scored = tuple(i for i, each in enumerate(labels) if each["evaluate"])
    folders = {kind: root / part / f"{below}{kind}" for kind in ("labels", "instances", "panoptic")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    for name, values in zip(PARTS[part], ((*scored, len(labels) - 1), tuple(range(len(labels)))), strict=True):
        mask = ids(values, SIZE)
        image = Image.fromarray(mask)
        palette = [value for each in labels for value in each["color"]]
        image.putpalette(palette + [0] * (768 - len(palette)))
        image.save(folders["labels"] / f"{name}.png")
        Image.fromarray(mask.astype(np.uint16) * 256).save(folders["instances"] / f"{name}.png")
        Image.fromarray(np.stack([mask, mask * 0, mask * 0], 2)).save(folders["panoptic"] / f"{name}.png")
