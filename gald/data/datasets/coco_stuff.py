"""COCO-Stuff, 171 classes (80 things, 91 stuff): all 164 thousand pictures of COCO 2017, or the first 10 thousand.

Caesar, Uijlings, Ferrari, "COCO-Stuff: Thing and Stuff Classes in Context", CVPR 2018, arXiv 1612.03716. COCO numbers
182 classes, of which 11 things were never annotated. The PNG maps of the 164k release hold that number less one, 0 to
181, and 255 for unlabelled; the .mat files of the 10k release hold the number itself, 1 to 182, and 0 for unlabelled.
No palette is published as numbers: the colours are ours.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.readers.layout import listed, part, unpacked
from gald.data.readers.matlab import label_map, read_mat
from gald.data.segmentation import IGNORE, Label, SegmentationDataset, matched, pictures_in
from gald.images.io import distinct_color
from gald.support.errors import UserError, lookup

# COCO's numbers from 1; a hyphen alone is a thing that was never annotated
NAMES = """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, -,
stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, -, backpack,
umbrella, -, -, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove,
skateboard, surfboard, tennis racket, bottle, -, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich,
orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, -, dining table, -, -,
toilet, -, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, -, book,
clock, vase, scissors, teddy bear, hair drier, toothbrush, -, banner, blanket, branch, bridge, building-other, bush,
cabinet, cage, cardboard, carpet, ceiling-other, ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain,
desk-stuff, dirt, door-stuff, fence, floor-marble, floor-other, floor-stone, floor-tile, floor-wood, flower, fog,
food-other, fruit, furniture-other, grass, gravel, ground-other, hill, house, leaves, light, mat, metal,
mirror-stuff, moss, mountain, mud, napkin, net, paper, pavement, pillow, plant-other, plastic, platform,
playingfield, railing, railroad, river, road, rock, roof, rug, salad, sand, sea, shelf, sky-other, skyscraper, snow,
solid-other, stairs, stone, straw, structural-other, table, tent, textile-other, towel, tree, vegetable, wall-brick,
wall-concrete, wall-other, wall-panel, wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind,
window-other, wood"""
NUMBERED = [(i, name.strip()) for i, name in enumerate(NAMES.split(","), 1) if name.strip() != "-"]
LABELS10K = tuple(Label(name, distinct_color(i), i) for i, name in NUMBERED)
LABELS164K = tuple(Label(label.name, label.color, label.id - 1) for label in LABELS10K)

FOLDERS = {"train": "train2017", "val": "val2017"}
LISTS = {"train": "train", "val": "test", "test": "test"}  # the authors' 9k/1k; their list of the 1k is called test
PAGE = "https://github.com/nightrome/cocostuff"
OLD = 172  # classes that version 1.0 of the 10k names, in another numbering


def coco_stuff164k(root: Path, split: str) -> SegmentationDataset:
    """Find ``train`` or ``val``: ``images/train2017/NAME.jpg`` with ``annotations/train2017/NAME.png``, and val2017.

    The pictures may also lie in ``train2017`` as COCO's own archives do, the maps in ``stuffthingmaps``.
    """
    folder = lookup(FOLDERS, split, "split")
    base = unpacked(root, "dataset")
    pictures = f"get {folder}.zip from https://cocodataset.org/#download and unpack it in images/"
    maps = f"get stuffthingmaps_trainval2017.zip from {PAGE} and unpack it in annotations/"
    images = pictures_in(part(base, [f"images/{folder}", folder], pictures))
    masks = pictures_in(part(base, [f"annotations/{folder}", f"stuffthingmaps/{folder}"], maps))
    # a public toolbox leaves its converted labels beside the published ones
    masks = {name: path for name, path in masks.items() if not name.endswith("_labelTrainIds")}
    return matched(images, masks, partial(SegmentationDataset, labels=LABELS164K, ignored=(IGNORE,)))


def coco_stuff10k(root: Path, split: str) -> SegmentationDataset:
    """Find ``train`` or ``val`` (also called ``test``) of version 1.1.

    ``images/NAME.jpg`` with ``annotations/NAME.mat`` and the lists ``imageLists/train.txt`` and ``test.txt``.
    """
    name = lookup(LISTS, split, "split")
    base = unpacked(root, "dataset", "cocostuff-10k-v1.1")
    source = f"get cocostuff-10k-v1.1.zip from {PAGE}10k and unpack it whole"
    file = part(base, [f"imageLists/{name}.txt"], source)
    images, maps = part(base, ["images"], source), part(base, ["annotations"], source)
    pictures, masks = listed(file, lambda n: images / f"{n}.jpg", lambda n: maps / f"{n}.mat")
    return matched(pictures, masks, partial(SegmentationDataset, labels=LABELS10K, ignored=(0,), read=_read_mat))


def _read_mat(path: Path) -> UInt8[Tensor, "h w"]:
    content = read_mat(path, "S", "names")
    if np.size(content.get("names", ())) == OLD:
        raise UserError(
            f"label {path} is of version 1.0, whose {OLD} classes have other numbers: get version 1.1 from {PAGE}10k"
        )
    return label_map(content, "S", path, most=255).to(torch.uint8)  # 183 to 255 are told by Pairs, as for PNG


def splits164k(root: Path) -> list[str]:
    """The splits whose pictures lie in ``root``."""
    base = unpacked(root, "dataset") if root.is_dir() else root
    return [name for name, each in FOLDERS.items() if (base / "images" / each).is_dir() or (base / each).is_dir()]


def splits10k(root: Path) -> list[str]:
    """The splits whose list lies in ``root``."""
    base = unpacked(root, "dataset", "cocostuff-10k-v1.1") if root.is_dir() else root
    return [name for name in ("train", "val") if (base / "imageLists" / f"{LISTS[name]}.txt").is_file()]
