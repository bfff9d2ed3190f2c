"""Pascal Context: VOC 2010's pictures labelled throughout, with 59 classes, or 60 with all else as background.

Mottaghi, Chen, Liu, Cho, Lee, Fidler, Urtasun, Yuille, "The Role of Context for Object Detection and Semantic
Segmentation in the Wild", CVPR 2014. The published labels know 459 things; the 59 most frequent ones are the benchmark.
Train ids follow the order of the 459, which is the alphabet's, as in the converted PNG files (59_labels.txt, published
beside them, has another order; no file here depends on it). No palette is published: the colours are ours.
"""

from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.files import SampleFiles, data_folder, find_one, read_list, require_files, split_parts
from gald.data.labels import Label, label_table
from gald.data.readers.matlab import label_map, read_mat
from gald.data.segmentation import SegmentationDataset
from gald.images.io import distinct_color, read_label

# id among the 459, name; its place in this list, from 1, is its id in the converted PNG files
PUBLISHED = label_table(
    """2 aeroplane, 9 bag, 18 bed, 19 bedclothes, 22 bench, 23 bicycle, 25 bird, 31 boat, 33 book, 34 bottle,
44 building, 45 bus, 46 cabinet, 59 car, 65 cat, 68 ceiling, 72 chair, 80 cloth, 85 computer, 98 cow, 104 cup,
105 curtain, 113 dog, 115 door, 144 fence, 158 floor, 159 flower, 162 food, 187 grass, 189 ground, 207 horse,
220 keyboard, 232 light, 258 motorbike, 259 mountain, 260 mouse, 284 person, 295 plate, 296 platform, 308 pottedplant,
324 road, 326 rock, 347 sheep, 349 shelves, 354 sidewalk, 355 sign, 360 sky, 366 snow, 368 sofa, 397 table, 415 track,
416 train, 420 tree, 424 truck, 427 tvmonitor, 440 wall, 445 water, 454 window, 458 wood"""
)
LABELS59 = tuple(Label(label.name, distinct_color(rank), rank) for rank, label in enumerate(PUBLISHED, 1))
LABELS60 = (Label("background", (0, 0, 0), 0), *LABELS59)
KNOWN = 459
TO_RANK = torch.zeros(KNOWN + 1, dtype=torch.uint8)  # 0: none of the 59
TO_RANK[[label.id for label in PUBLISHED]] = torch.arange(1, 60, dtype=torch.uint8)

SPLITS = ("train", "val")
FOLDERS = ("VOCdevkit/VOC2010", "VOC2010")  # where the archives unpack to
MAT, PNG = "trainval", "SegmentationClassContext"
LISTS = ("ImageSets/SegmentationContext/{}.txt", "ImageSets/Main/{}.txt")
PAGE = "https://cs.stanford.edu/~roozbeh/pascal-context/"
VOC = "the development kit of VOC 2010 has it, http://host.robots.ox.ac.uk/pascal/VOC/voc2010/"


def pascal_context59(root: Path, split: str) -> SegmentationDataset:
    """59 classes; what is none of them is ignored (the usual "without background")."""
    return _open(root, split, LABELS59, ignored=(0,))


def pascal_context60(root: Path, split: str) -> SegmentationDataset:
    """The 59 and ``background``, which is everything else."""
    return _open(root, split, LABELS60, ignored=(255,))


def _open(root: Path, split: str, labels: tuple[Label, ...], ignored: tuple[int, ...]) -> SegmentationDataset:
    """Find ``train``, ``val`` or ``trainval`` in VOC 2010's folder (or two folders above it).

    Pictures are ``JPEGImages/NAME.jpg``; labels ``trainval/NAME.mat`` as published or, where these are not there,
    ``SegmentationClassContext/NAME.png`` of 0 to 59 as public toolboxes convert them; lists are
    ``ImageSets/SegmentationContext/SPLIT.txt`` or VOC's own ``ImageSets/Main/SPLIT.txt``, whose split it is.
    """
    parts = split_parts(split, SPLITS)
    base = data_folder(root, *FOLDERS)
    images = find_one(base, ["JPEGImages"], VOC)
    maps = find_one(base, [MAT, PNG], f"get trainval.tar.gz from {PAGE} and unpack it here")
    ending, read = (".mat", _read_mat) if maps.name == MAT else (".png", read_label)
    lists = [find_one(base, [place.format(part) for place in LISTS], VOC) for part in parts]
    names = sorted({line.split()[0] for file in lists for line in read_list(file)})
    files = [SampleFiles(name, images / f"{name}.jpg", maps / f"{name}{ending}") for name in names]
    found = require_files(files, lambda _: "was the archive unpacked whole?", " and ".join(map(str, lists)))
    return found.require_all(SegmentationDataset(found.samples, labels, ignored, read))


def _read_mat(path: Path) -> UInt8[Tensor, "h w"]:
    """Of the 459 ids of a published file, the 59's places in the table; 0 for the others."""
    return TO_RANK[label_map(read_mat(path, "LabelMap"), "LabelMap", path, most=KNOWN)]


def splits(root: Path) -> list[str]:
    """The splits whose list lies in ``root``."""
    base = data_folder(root, *FOLDERS)
    return [split for split in SPLITS if any((base / place.format(split)).is_file() for place in LISTS)]
