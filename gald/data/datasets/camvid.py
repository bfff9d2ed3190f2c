"""CamVid, 11 classes, 480x360, in the SegNet tutorial's version (367 train, 101 val, 233 test).

Brostow, Fauqueur, Cipolla, "Semantic object classes in video", Pattern Recognition Letters 2009. Classes, order and
colours as in the SegNet tutorial. Research data without a clear licence: never part of this package.
"""

from __future__ import annotations

from pathlib import Path

from gald.data.segmentation import Label, Pair, SegmentationDataset, matched, pictures_in
from gald.support.errors import UserError, lookup

SPLITS = {"train": ("train",), "val": ("val",), "test": ("test",), "trainval": ("train", "val")}
VOID = 11
LABELS = (
    Label("Sky", (128, 128, 128), 0),
    Label("Building", (128, 0, 0), 1),
    Label("Pole", (192, 192, 128), 2),
    Label("Road", (128, 64, 128), 3),
    Label("Pavement", (60, 40, 222), 4),
    Label("Tree", (128, 128, 0), 5),
    Label("SignSymbol", (192, 128, 128), 6),
    Label("Fence", (64, 64, 128), 7),
    Label("Car", (64, 0, 128), 8),
    Label("Pedestrian", (64, 64, 0), 9),
    Label("Bicyclist", (0, 128, 192), 10),
)


def camvid(root: Path, split: str) -> SegmentationDataset:
    """Find ``train``, ``val``, ``test`` or ``trainval`` in one of two layouts.

    ``SPLIT/images/NAME.*`` with ``SPLIT/labels/NAME.png``, or the SegNet tutorial's ``SPLIT.txt`` whose lines are
    ``/SegNet/CamVid/SPLIT/NAME.png /SegNet/CamVid/SPLITannot/NAME.png`` with the folders below ``root``.
    """
    parts = lookup(SPLITS, split, "split")
    if not root.is_dir():
        raise UserError(f"CamVid's folder {root} {'is a file' if root.exists() else 'does not exist'}")
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for part in parts:
        found = _listed(root, root / f"{part}.txt") if (root / f"{part}.txt").is_file() else _folders(root, part)
        images |= found[0]
        masks |= found[1]
    return matched(images, masks, _pairs)


def _pairs(pairs: list[Pair]) -> SegmentationDataset:
    return SegmentationDataset(pairs, LABELS, ignored=(VOID,))


def _folders(root: Path, part: str) -> tuple[dict[str, Path], dict[str, Path]]:
    if not (root / part).is_dir():
        raise UserError(f"{root} has no folder {part!r} (with images/ and labels/) and no list {part}.txt")
    return pictures_in(root / part / "images"), pictures_in(root / part / "labels")


def _listed(root: Path, file: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip():
            continue
        if len(line.split()) != 2:
            raise UserError(f"{file} line {number} should hold a picture and a label, it holds {line!r}")
        image, mask = (_below(root, part) for part in line.split())
        if not image.is_file() and not mask.is_file():
            raise UserError(f"{file} line {number} names {image}, which does not exist below {root}")
        images |= {image.stem: image} if image.is_file() else {}
        masks |= {image.stem: mask} if mask.is_file() else {}
    if not images:
        raise UserError(f"{file} lists no pictures")
    return images, masks


def _below(root: Path, listed: str) -> Path:
    """The lists were written for another machine: the longest tail of the path that exists below ``root``."""
    tail = Path(listed).parts
    tails = [root.joinpath(*tail[i:]) for i in range(1 if listed.startswith("/") else 0, len(tail))]
    return next((path for path in tails if path.is_file()), root.joinpath(*tail[-2:]))


def splits(root: Path) -> list[str]:
    """The splits that lie in ``root``."""
    return [name for name in ("train", "val", "test") if (root / name).is_dir() or (root / f"{name}.txt").is_file()]
