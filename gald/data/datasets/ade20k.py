"""ADE20K, the scene parsing benchmark: ADEChallengeData2016, 150 classes, 20 210 pictures to train, 2 000 to validate.

Zhou, Zhao, Puig, Fidler, Barriuso, Torralba, "Scene Parsing through ADE20K Dataset", CVPR 2017. In the release 0 is
unlabelled and classes are 1 to 150; some converters shift that to 0 to 149 and 255, which is told and refused. The
names are the first of each line of the release's objectInfo150.txt, the colours the benchmark's own (road and
skyscraper have the same one).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from gald.data.datasets.ade20k_classes import LABELS
from gald.data.readers.layout import part, unpacked
from gald.data.readers.release import unlabelled
from gald.data.segmentation import SegmentationDataset, matched, pictures_in
from gald.images.io import read_label
from gald.support.errors import UserError, lookup

FOLDERS = {"train": "training", "val": "validation"}
ARCHIVE, NAMES = "ADEChallengeData2016", "objectInfo150.txt"
# where the challenge's kit has the test pictures, and where their archive does
TESTING = (
    f"{ARCHIVE}/images/testing",
    "images/testing",
    "release_test/testing",
)
SOURCE = f"get {ARCHIVE}.zip (not the full ADE20K) from http://sceneparsing.csail.mit.edu and unpack it whole"


def ade20k(root: Path, split: str) -> SegmentationDataset:
    """Find ``train`` or ``val``: ``images/training/NAME.jpg`` with ``annotations/training/NAME.png``, and validation.

    ``root`` is the archive's folder, or the one it was unpacked in. ``test`` has pictures only, and another archive.
    """
    folder = lookup(FOLDERS | {"test": "testing"}, split, "split")
    if split == "test":
        return _test(root)
    base = unpacked(root, ARCHIVE)
    images, masks = (part(base, [f"{kind}/{folder}"], SOURCE) for kind in ("images", "annotations"))
    _check_names(base / NAMES)
    return matched(
        pictures_in(images), pictures_in(masks), partial(SegmentationDataset, labels=LABELS, ignored=(0,), read=_read)
    )


def _test(root: Path) -> SegmentationDataset:
    """The pictures of the test set, whose labels only the server has."""
    source = "get release_test.zip from http://sceneparsing.csail.mit.edu and unpack it there"
    images = pictures_in(part(unpacked(root), TESTING, source))
    return unlabelled(images, LABELS, (0,), lambda _: source)


def _read(path: Path) -> UInt8[Tensor, "h w"]:
    values = read_label(path)
    shifted = (values == 255).nonzero()
    if len(shifted):
        y, x = shifted[0].tolist()
        raise UserError(
            f"label {path} has the value 255 at (x, y) = ({x}, {y}): in the release 0 is unlabelled and classes are 1 "
            "to 150, so these labels were shifted down by one; use the annotations as they were published"
        )
    return values


def _check_names(file: Path) -> None:
    """Where the release's own list lies there, a class that it calls otherwise means labels of another version."""
    lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
    rows = {int(words[0]): words[-1] for words in (line.split("\t") for line in lines) if words[0].strip().isdecimal()}
    for label in LABELS:
        names = [name.strip().lower() for name in rows.get(label.id, label.name).split(",")]
        if label.name not in names:
            raise UserError(
                f"{file} calls class {label.id} {names[0]!r}, the 150 classes of the benchmark have {label.name!r} "
                f"there: {SOURCE}"
            )


def splits(root: Path) -> list[str]:
    """The splits that lie in ``root``."""
    base = unpacked(root, ARCHIVE) if root.is_dir() else root
    found = [name for name, folder in FOLDERS.items() if (base / "images" / folder).is_dir()]
    return found + ["test"] * any((root / place).is_dir() for place in TESTING)
