"""A folder of your own in Pascal VOC's layout: boxes in XML files."""

from __future__ import annotations

from pathlib import Path

from gald.data.detection import DetectionDataset
from gald.data.readers.classes import FILES, read_classes
from gald.data.readers.layout import unpacked
from gald.data.readers.voc_xml import names_in, read_lines, read_list, read_objects, root_of
from gald.data.segmentation import Label, pictures_in
from gald.images.io import distinct_color
from gald.support.errors import UserError, lookup


def voc_folder(root: Path, split: str) -> DetectionDataset:
    """A folder of your own: ``Annotations/NAME.xml``, ``JPEGImages/NAME.*``, ``ImageSets/Main/SPLIT.txt``.

    The classes are those of ``classes.txt`` (see `gald.data.readers.classes`; its ids do not matter here), or else the
    names in all annotations, sorted.
    """
    unpacked(root)  # tells a root that is no folder
    names = read_list(lookup(_lists(root), split, f"split of {root}"), "write a name without ending on each line")
    pictures, notes = pictures_in(root / "JPEGImages"), root / "Annotations"
    files = {name: (pictures.get(name, root / "JPEGImages" / f"{name}.jpg"), notes / f"{name}.xml") for name in names}
    how = "add it or take the name, which has no ending, out of the list"
    return read_objects(files, _labels(root), str(_lists(root)[split]), how)


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
    rows = [line.split() for line in read_lines(path)]
    return bool(rows) and all(len(row) == 2 and row[1] in ("-1", "0", "1") for row in rows)


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
