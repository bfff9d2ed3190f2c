"""Pascal VOC 2007 with 2012: the challenge's boxes.

Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010. Detectors are trained on the trainval
pictures of both years (5011 + 11540) and scored on the test pictures of 2007 (4952), the last with public boxes.
"""

from __future__ import annotations

from pathlib import Path

from gald.data.datasets.voc2012 import LABELS as WITH_BACKGROUND
from gald.data.detection import DetectionDataset
from gald.data.readers.layout import unpacked
from gald.data.readers.voc_xml import read_list, read_objects
from gald.support.errors import lookup

LABELS = WITH_BACKGROUND[1:]
PAGE = "http://host.robots.ox.ac.uk/pascal/VOC/"
LISTS = {  # year and list of each part of a split
    "train": (("VOC2007", "trainval"), ("VOC2012", "trainval")),
    "val": (("VOC2007", "test"),),
    "test": (("VOC2007", "test"),),
}
ARCHIVES = {
    ("VOC2007", "trainval"): "voc2007/VOCtrainval_06-Nov-2007.tar",
    ("VOC2007", "test"): "voc2007/VOCtest_06-Nov-2007.tar",
    ("VOC2012", "trainval"): "voc2012/VOCtrainval_11-May-2012.tar",
}


def voc0712(root: Path, split: str) -> DetectionDataset:
    """``train``: trainval of both years; ``val`` and ``test``: test of 2007. ``root`` is ``VOCdevkit`` or above it."""
    base = unpacked(root, "VOCdevkit")
    files: dict[str, tuple[Path, Path]] = {}
    for year, part in lookup(LISTS, split, "split"):
        folder, how = base / year, _how((year, part))
        for name in read_list(folder / "ImageSets" / "Main" / f"{part}.txt", how):
            files[name] = (folder / "JPEGImages" / f"{name}.jpg", folder / "Annotations" / f"{name}.xml")
    how = " or ".join(_how(each) for each in LISTS[split])
    return read_objects(files, LABELS, f"{base}'s list for {split}", how)


def _how(part: tuple[str, str]) -> str:
    return f"extract {Path(ARCHIVES[part]).name} from {PAGE}{Path(ARCHIVES[part]).parent}/"


def splits(root: Path) -> list[str]:
    """The splits whose lists lie in ``root``; ``test`` is the same as ``val`` and not repeated."""
    base = unpacked(root, "VOCdevkit") if root.is_dir() else root
    return [
        name
        for name in ("train", "val")
        if all((base / year / "ImageSets" / "Main" / f"{part}.txt").is_file() for year, part in LISTS[name])
    ]
