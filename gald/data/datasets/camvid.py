"""CamVid, 11 classes, 480x360, in the SegNet tutorial's version (367 train, 101 val, 233 test).

Brostow, Fauqueur, Cipolla, "Semantic object classes in video", Pattern Recognition Letters 2009. Classes, order and
colours as in the SegNet tutorial. Research data without a clear licence: never part of this package.
"""

from pathlib import Path

from gald.data.files import data_folder, find_pictures, pair_by_name, split_parts
from gald.data.labels import label_table
from gald.data.segmentation import SegmentationDataset
from gald.support.errors import UserError

SPLITS = ("train", "val", "test")
VOID = 11
LABELS = label_table(
    """Sky 128 128 128, Building 128 0 0, Pole 192 192 128, Road 128 64 128, Pavement 60 40 222, Tree 128 128 0,
    SignSymbol 192 128 128, Fence 64 64 128, Car 64 0 128, Pedestrian 64 64 0, Bicyclist 0 128 192"""
)
"""The 11 classes; their place is the train id."""


def camvid(root: Path, split: str) -> SegmentationDataset:
    """Find ``train``, ``val``, ``test`` or ``trainval`` in one of two layouts.

    ``SPLIT/images/NAME.*`` with ``SPLIT/labels/NAME.png``, or the SegNet tutorial's ``SPLIT.txt`` whose lines are
    ``/SegNet/CamVid/SPLIT/NAME.png /SegNet/CamVid/SPLITannot/NAME.png`` with the folders below ``root``.
    """
    parts = split_parts(split, SPLITS)
    data_folder(root)  # tells a root that is no folder
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for part in parts:
        file = root / f"{part}.txt"
        part_images, part_masks = _from_list(root, file) if file.is_file() else _from_folders(root, part)
        images |= part_images
        masks |= part_masks
    found = pair_by_name(images, masks)
    return found.require_all(SegmentationDataset(found.samples, LABELS, ignored=(VOID,)))


def _from_folders(root: Path, part: str) -> tuple[dict[str, Path], dict[str, Path]]:
    if not (root / part).is_dir():
        raise UserError(f"{root} has no folder {part!r} (with images/ and labels/) and no list {part}.txt")
    return find_pictures(root / part / "images"), find_pictures(root / part / "labels")


def _from_list(root: Path, file: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip():
            continue
        if len(line.split()) != 2:
            raise UserError(f"{file} line {number} should hold a picture and a label, it holds {line!r}")
        image, mask = (_below(root, path) for path in line.split())
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
    return [split for split in SPLITS if (root / split).is_dir() or (root / f"{split}.txt").is_file()]
