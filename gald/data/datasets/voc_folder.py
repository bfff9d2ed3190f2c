"""A folder of your own in Pascal VOC's layout: boxes in XML files."""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from gald.data.detection import DetectionDataset
from gald.data.files import SampleFiles, data_folder, find_pictures, read_lines
from gald.data.labels import Label
from gald.data.readers.classes import find_classes, read_classes
from gald.data.readers.voc_xml import class_names, parse_xml, read_dataset, read_names
from gald.data.spelling import misspelt
from gald.images.io import distinct_color
from gald.support.errors import UserError, lookup

LISTS = "ImageSets/Main"


def voc_folder(root: Path, split: str) -> DetectionDataset:
    """``Annotations/NAME.xml``, ``JPEGImages/NAME.*``, ``ImageSets/Main/SPLIT.txt``.

    The classes are those of ``classes.txt`` (see `gald.data.readers.classes`; its ids do not matter here), or else the
    names in all annotations, sorted.
    """
    file = lookup(_lists(data_folder(root)), split, f"split of {root}")
    names = read_names(file, "write a name without ending on each line")
    pictures, default = find_pictures(root / "JPEGImages"), root / "JPEGImages"
    files = [
        SampleFiles(name, pictures.get(name, default / f"{name}.jpg"), root / "Annotations" / f"{name}.xml", number)
        for number, name in enumerate(names)
    ]
    how = "add it or take the name, which has no ending, out of the list"
    table = find_classes(root)
    if table is not None:
        # classes numbered from 1, as VOC's are
        listed = tuple(replace(label, id=number) for number, label in enumerate(read_classes(table).labels, 1))
        return read_dataset(files, listed, str(file), how)
    used = _names_used(root)
    labels = tuple(Label(name, distinct_color(number), number + 1) for number, name in enumerate(sorted(used.counts)))
    return read_dataset(files, labels, str(file), how, used.doubts())


def splits(root: Path) -> list[str]:
    """The lists in ``ImageSets/Main``; without trainval where it is the sum of two others."""
    names = list(_lists(root)) if (root / LISTS).is_dir() else []
    return [name for name in names if name != "trainval" or not {"train", "val"} <= set(names)]


def _lists(root: Path) -> dict[str, Path]:
    """Name and file of each split; the lists of single classes, which have a second column, are none."""
    files = sorted((root / LISTS).glob("*.txt"))
    if not files:
        raise UserError(
            f"{root / LISTS} holds no lists: write train.txt and val.txt, a picture's name without ending a line"
        )
    order = {"train": 0, "trainval": 1, "val": 2, "test": 3}
    found = {path.stem: path for path in files if not _is_of_a_class(path)}
    return {name: found[name] for name in sorted(found, key=lambda name: order.get(name, 4))}


def _is_of_a_class(path: Path) -> bool:
    """Whether a list is one of VOC's own for a class: a name, and -1, 0 or 1 for absent, difficult, there."""
    rows = [line.split() for line in read_lines(path)]
    return bool(rows) and all(len(row) == 2 and row[1] in ("-1", "0", "1") for row in rows)


@dataclass
class _NamesUsed:
    """How many objects each class has in all annotations, and which is the first."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def doubts(self) -> list[str]:
        """A sentence on each class that may be misspelt."""
        return [
            f"the class {name!r} has {self.counts[name]} object{'s' * (self.counts[name] > 1)} "
            f"(the first is {self.first[name]}) and {meant!r} has {self.counts[meant]}: "
            "correct the name, or list both in a classes.txt"
            for name, meant in misspelt(self.counts).items()
        ]


def _names_used(root: Path) -> _NamesUsed:
    files, used = sorted((root / "Annotations").glob("*.xml")), _NamesUsed()
    for file in files:
        for number, name in enumerate(class_names(file), 1):
            if name:
                used.counts[name] += 1
                used.first.setdefault(name, f"object {number} of {file}")
    if not used.counts:
        for file in files:
            parse_xml(file)  # says what is wrong with a file that cannot be read
        raise UserError(f"{root / 'Annotations'} holds no object: write the classes into {root / 'classes.txt'}")
    return used
