"""Pascal VOC 2007 with 2012: the challenge's boxes.

Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010. Detectors are trained on the trainval
pictures of both years (5011 + 11540) and scored on the test pictures of 2007 (4952), the last with public boxes.
"""

from pathlib import Path

from gald.data.datasets import voc2012
from gald.data.detection import DetectionDataset
from gald.data.files import SampleFiles, data_folder
from gald.data.readers.voc_xml import read_dataset, read_names
from gald.support.errors import lookup

LABELS = voc2012.LABELS[1:]  # without the background
# year and list of each part of a split, and the archive that holds them
TRAIN_2007 = ("VOC2007", "trainval", "voc2007/VOCtrainval_06-Nov-2007.tar")
TEST_2007 = ("VOC2007", "test", "voc2007/VOCtest_06-Nov-2007.tar")
TRAIN_2012 = ("VOC2012", "trainval", "voc2012/VOCtrainval_11-May-2012.tar")
SPLITS = {"train": (TRAIN_2007, TRAIN_2012), "val": (TEST_2007,), "test": (TEST_2007,)}


def voc0712(root: Path, split: str) -> DetectionDataset:
    """``train``: trainval of both years; ``val`` and ``test``: test of 2007. ``root`` is ``VOCdevkit`` or above it."""
    parts = lookup(SPLITS, split, "split")
    base = data_folder(root, "VOCdevkit")
    files: list[SampleFiles] = []
    for year, part, archive in parts:
        images, annotations = base / year / "JPEGImages", base / year / "Annotations"
        for name in read_names(_list(base, year, part), _how(archive)):
            files.append(SampleFiles(name, images / f"{name}.jpg", annotations / f"{name}.xml", len(files)))
    how = " or ".join(_how(archive) for _, _, archive in parts)
    return read_dataset(files, LABELS, f"{base}'s list for {split}", how)


def _list(base: Path, year: str, part: str) -> Path:
    return base / year / "ImageSets" / "Main" / f"{part}.txt"


def _how(archive: str) -> str:
    folder, name = archive.split("/")
    return f"extract {name} from http://host.robots.ox.ac.uk/pascal/VOC/{folder}/"


def splits(root: Path) -> list[str]:
    """The splits whose lists lie in ``root``; ``test`` is the same as ``val`` and not repeated."""
    base = data_folder(root, "VOCdevkit")
    return [
        split for split in ("train", "val") if all(_list(base, year, part).is_file() for year, part, _ in SPLITS[split])
    ]
