"""Pascal VOC 2012 segmentation: 20 classes and background; 1464 train, 1449 val, 10582 trainaug pictures.

Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", IJCV 2015. The augmented list adds the
labels of Hariharan et al., "Semantic Contours from Inverse Detectors", ICCV 2011 (SBD). The photos are flickr's, under
flickr's terms: never part of this package.
"""

from functools import partial
from pathlib import Path

from gald.data.files import SampleFiles, data_folder, find_one, read_list, require_files
from gald.data.labels import IGNORE, label_table
from gald.data.segmentation import SegmentationDataset, unlabelled
from gald.support.errors import lookup

PAGE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"
SBD_PAGE = "http://home.bharathh.info/pubs/codes/SBD/download.html"
FOLDERS = ("VOCdevkit/VOC2012", "VOC2012")  # where the archives unpack to
LISTS: dict[str, tuple[str, ...]] = {
    "trainaug": ("Segmentation/trainaug", "Segmentation/train_aug", "SegmentationAug/train_aug")
}
LISTS |= {name: (f"Segmentation/{name}",) for name in ("train", "val", "trainval", "test")}  # below ImageSets
LABELS = label_table(
    """background 0 0 0, aeroplane 128 0 0, bicycle 0 128 0, bird 128 128 0, boat 0 0 128, bottle 128 0 128,
    bus 0 128 128, car 128 128 128, cat 64 0 0, chair 192 0 0, cow 64 128 0, diningtable 192 128 0, dog 64 0 128,
    horse 192 0 128, motorbike 64 128 128, person 192 128 128, pottedplant 0 64 0, sheep 128 64 0, sofa 0 192 0,
    train 128 192 0, tvmonitor 0 64 128"""
)


def voc2012(root: Path, split: str) -> SegmentationDataset:
    """Find a split in ``VOCdevkit/VOC2012``; ``root`` is that folder or one above it.

    Lists lie in ``ImageSets/Segmentation``, pictures in ``JPEGImages``, label maps (palette, void is 255) in
    ``SegmentationClass``; those of ``trainaug`` in ``SegmentationClassAug``.
    """
    places = _lists(split)
    base = data_folder(root, *FOLDERS)
    how = partial(_how, split)
    file = find_one(base, places, how(Path(places[0])))
    # a name a line, or as in DeepLab's lists /JPEGImages/NAME.jpg /SegmentationClassAug/NAME.png
    names = sorted({Path(line.split()[0]).stem for line in read_list(file, how(file))})
    images = {name: base / "JPEGImages" / f"{name}.jpg" for name in names}
    if split == "test":  # the labels stay at the server
        return unlabelled(images, LABELS, (IGNORE,), how)
    masks = base / ("SegmentationClassAug" if split == "trainaug" else "SegmentationClass")
    found = require_files([SampleFiles(name, images[name], masks / f"{name}.png") for name in names], how)
    return found.require_all(SegmentationDataset(found.samples, LABELS))


def _lists(split: str) -> list[str]:
    """Where the list of a split may lie."""
    return [f"ImageSets/{name}.txt" for name in lookup(LISTS, split, "split")]


def _how(split: str, path: Path) -> str:
    """How to get a file that a split wants."""
    if split == "trainaug" and path.suffix != ".jpg":
        return f"the augmented list and labels are made from SBD, {SBD_PAGE}; docs/data/voc2012.md says how"
    archive = "the test data (VOC2012test.tar)" if split == "test" else "VOCtrainval_11-May-2012.tar"
    return f"extract {archive} into the same folder, from {PAGE}"


def splits(root: Path) -> list[str]:
    """The splits whose list lies in ``root``, without trainval, the sum of two."""
    base = data_folder(root, *FOLDERS)
    names = ("train", "val", "trainaug", "test")
    return [split for split in names if any((base / place).is_file() for place in _lists(split))]
