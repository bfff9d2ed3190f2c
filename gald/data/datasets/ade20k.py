"""ADE20K, the scene parsing benchmark: ADEChallengeData2016, 150 classes, 20 210 pictures to train, 2 000 to validate.

Zhou, Zhao, Puig, Fidler, Barriuso, Torralba, "Scene Parsing through ADE20K Dataset", CVPR 2017. In the release 0 is
unlabelled and classes are 1 to 150; some converters shift that to 0 to 149 and 255, which is told and refused. The
names are the first of each line of the release's objectInfo150.txt, the colours the benchmark's own (road and
skyscraper have the same one).
"""

from __future__ import annotations

from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from gald.data.datasets.ade20k_classes import LABELS
from gald.data.files import data_folder, find_one, find_pictures, pair_by_name
from gald.data.segmentation import SegmentationDataset, unlabelled
from gald.images.io import read_label
from gald.support.errors import UserError, lookup

FOLDERS = {"train": "training", "val": "validation"}
ARCHIVE, NAMES = "ADEChallengeData2016", "objectInfo150.txt"
# where the challenge's kit has the test pictures, and where their archive does
TESTING = (f"{ARCHIVE}/images/testing", "images/testing", "release_test/testing")
TEST_SOURCE = "get release_test.zip from http://sceneparsing.csail.mit.edu and unpack it there"
SOURCE = f"get {ARCHIVE}.zip (not the full ADE20K) from http://sceneparsing.csail.mit.edu and unpack it whole"


def ade20k(root: Path, split: str) -> SegmentationDataset:
    """Find ``train`` or ``val``: ``images/training/NAME.jpg`` with ``annotations/training/NAME.png``, and validation.

    ``root`` is the archive's folder, or the one it was unpacked in. ``test`` has pictures only, and another archive.
    """
    folder = lookup(FOLDERS | {"test": "testing"}, split, "split")
    if split == "test":  # only the server has its labels
        images = find_pictures(find_one(data_folder(root), TESTING, TEST_SOURCE))
        return unlabelled(images, LABELS, (0,), lambda _: TEST_SOURCE)
    base = data_folder(root, ARCHIVE)
    image_folder, mask_folder = (find_one(base, [f"{kind}/{folder}"], SOURCE) for kind in ("images", "annotations"))
    _check_names(base / NAMES)
    found = pair_by_name(find_pictures(image_folder), find_pictures(mask_folder))
    return found.require_all(SegmentationDataset(found.samples, LABELS, ignored=(0,), read=_read))


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
    base = data_folder(root, ARCHIVE)
    found = [split for split, folder in FOLDERS.items() if (base / "images" / folder).is_dir()]
    return found + ["test"] * any((root / place).is_dir() for place in TESTING)
