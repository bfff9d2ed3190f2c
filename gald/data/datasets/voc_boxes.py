"""Boxes in Pascal VOC's layout: the challenge's VOC 2007 with 2012, and a user's own folder.

Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010. Detectors are trained on the trainval
pictures of both years (5011 + 11540) and scored on the test pictures of 2007 (4952), the last with public boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from gald.data.annotation import ImageAnnotation
from gald.data.datasets.voc2012 import LABELS as WITH_BACKGROUND
from gald.data.detection import DetectionDataset, Picture, there
from gald.data.readers.classes import FILES, read_classes
from gald.data.readers.layout import unpacked
from gald.data.readers.voc_xml import names_in, read_page, root_of
from gald.data.segmentation import Label, pictures_in
from gald.images.io import distinct_color
from gald.support.errors import UserError, lookup

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
        for name in _listed(folder / "ImageSets" / "Main" / f"{part}.txt", how):
            files[name] = (folder / "JPEGImages" / f"{name}.jpg", folder / "Annotations" / f"{name}.xml")
    how = " or ".join(_how(each) for each in LISTS[split])
    return _objects(files, LABELS, f"{base}'s list for {split}", how)


def _how(part: tuple[str, str]) -> str:
    return f"extract {Path(ARCHIVES[part]).name} from {PAGE}{Path(ARCHIVES[part]).parent}/"


def splits0712(root: Path) -> list[str]:
    """The splits whose lists lie in ``root``; ``test`` is the same as ``val`` and not repeated."""
    base = unpacked(root, "VOCdevkit") if root.is_dir() else root
    return [
        name
        for name in ("train", "val")
        if all((base / year / "ImageSets" / "Main" / f"{part}.txt").is_file() for year, part in LISTS[name])
    ]


def voc_folder(root: Path, split: str) -> DetectionDataset:
    """A folder of your own: ``Annotations/NAME.xml``, ``JPEGImages/NAME.*``, ``ImageSets/Main/SPLIT.txt``.

    The classes are those of ``classes.txt`` (see `gald.data.readers.classes`; its ids do not matter here), or else the
    names in all annotations, sorted.
    """
    unpacked(root)  # tells a root that is no folder
    names = _listed(lookup(_lists(root), split, f"split of {root}"), "write a name without ending on each line")
    pictures, notes = pictures_in(root / "JPEGImages"), root / "Annotations"
    files = {name: (pictures.get(name, root / "JPEGImages" / f"{name}.jpg"), notes / f"{name}.xml") for name in names}
    how = "add it or take the name, which has no ending, out of the list"
    return _objects(files, _labels(root), str(_lists(root)[split]), how)


def splits(root: Path) -> list[str]:
    """The lists in ``ImageSets/Main``; without trainval where it is the sum of two others."""
    names = list(_lists(root)) if (root / "ImageSets" / "Main").is_dir() else []
    return [name for name in names if name != "trainval" or not {"train", "val"} <= set(names)]


def _lists(root: Path) -> dict[str, Path]:
    """Name and file of each split; the lists of single classes, which have a second column, are none."""
    folder = root / "ImageSets" / "Main"
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise UserError(f"{folder} holds no lists: write train.txt and val.txt, a picture's name without ending a line")
    order = {"train": 0, "trainval": 1, "val": 2, "test": 3}
    found = {path.stem: path for path in files if not _of_a_class(path)}
    return dict(sorted(found.items(), key=lambda each: order.get(each[0], 4)))


def _of_a_class(path: Path) -> bool:
    """Whether a list is one of VOC's own for a class: a name, and -1, 0 or 1 for absent, difficult, there."""
    rows = [line.split() for line in _lines(path)]
    return bool(rows) and all(len(row) == 2 and row[1] in ("-1", "0", "1") for row in rows)


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from None


def _listed(file: Path, how: str) -> list[str]:
    """The names in a list, each once."""
    if not file.is_file():
        raise UserError(f"{file} does not exist: {how}")
    names = _lines(file)
    if not names:
        raise UserError(f"{file} lists no pictures: {how}")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise UserError(f"{file} lists {twice} twice: keep one")
    return names


def _labels(root: Path) -> tuple[Label, ...]:
    """Classes numbered from 1, as VOC's are."""
    file = next((root / name for name in FILES if (root / name).is_file()), None)
    if file is not None:
        listed = read_classes(file).labels
        return tuple(Label(label.name, label.color, i) for i, label in enumerate(listed, 1))
    notes = sorted((root / "Annotations").glob("*.xml"))
    names = sorted({name for path in notes for name in names_in(path)})
    if not names:
        for path in notes:
            root_of(path)  # says what is wrong with a file that cannot be read
        raise UserError(f"{root / 'Annotations'} holds no object: write the classes into {root / FILES[0]}")
    return tuple(Label(name, distinct_color(i), i + 1) for i, name in enumerate(names))


def _objects(files: dict[str, tuple[Path, Path]], labels: Sequence[Label], source: str, how: str) -> DetectionDataset:
    wanted = {Picture(name, image, number): (image, note) for number, (name, (image, note)) in enumerate(files.items())}

    def build(pictures: list[Picture]) -> DetectionDataset:
        notes = [wanted[picture][1] for picture in pictures]
        return DetectionDataset(
            pictures, labels, partial(_read, notes), {label.name: i for i, label in enumerate(labels)}
        )

    return there(wanted, build, source, how)


def _read(notes: Sequence[Path], index: int) -> ImageAnnotation:
    return read_page(notes[index])
