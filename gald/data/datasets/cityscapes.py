"""Cityscapes: 19 classes, 2048x1024; 2975 train, 500 val, 1525 test pictures, and 19998 more with coarse labels.

Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016, arXiv 1604.01685. Ids, names
and colours as in the official cityscapesScripts. Its own licence (research, no commercial use): never part of this
package.
"""

from collections.abc import Iterator
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from gald.data.files import SampleFiles, data_folder, find_files, require_files
from gald.data.labels import label_table
from gald.data.segmentation import SegmentationDataset, unlabelled
from gald.images.io import read_label
from gald.support.errors import UserError, lookup

PAGE = "https://www.cityscapes-dataset.com/downloads/"
IMAGES, FINE, COARSE = "leftImg8bit", "gtFine", "gtCoarse"
FINE_TRAIN, FINE_VAL, EXTRA = (FINE, "train"), (FINE, "val"), (COARSE, "train_extra")
# Every split as (kind of labels, folder). The sums are those that the paper's coarse phase trains on.
SPLITS = {
    "train": (FINE_TRAIN,),
    "val": (FINE_VAL,),
    "test": (),  # pictures only: what gtFine/test holds is the car's own bonnet and the borders, none of the 19 classes
    "train_extra": (EXTRA,),
    "coarse_train": ((COARSE, "train"),),
    "coarse_val": ((COARSE, "val"),),
    "trainval": (FINE_TRAIN, FINE_VAL),
    "train_and_extra": (FINE_TRAIN, EXTRA),
    "trainval_and_extra": (FINE_TRAIN, FINE_VAL, EXTRA),
}
LABELS = label_table(
    """7 road 128 64 128, 8 sidewalk 244 35 232, 11 building 70 70 70, 12 wall 102 102 156, 13 fence 190 153 153,
    17 pole 153 153 153, 19 traffic light 250 170 30, 20 traffic sign 220 220 0, 21 vegetation 107 142 35,
    22 terrain 152 251 152, 23 sky 70 130 180, 24 person 220 20 60, 25 rider 255 0 0, 26 car 0 0 142, 27 truck 0 0 70,
    28 bus 0 60 100, 31 train 0 80 100, 32 motorcycle 0 0 230, 33 bicycle 119 11 32"""
)
IGNORED = {  # label ids that the benchmark does not score; the first is what the server takes for "nothing"
    0: "unlabeled", 1: "ego vehicle", 2: "rectification border", 3: "out of roi", 4: "static", 5: "dynamic",
    6: "ground", 9: "parking", 10: "rail track", 14: "guard rail", 15: "bridge", 16: "tunnel", 18: "polegroup",
    29: "caravan", 30: "trailer",
    255: "license plate",  # id -1 as a byte; the official label maps never draw it, other converters do
}  # fmt: skip


def cityscapes(root: Path, split: str) -> SegmentationDataset:
    """Find a split in ``leftImg8bit/PART/CITY/NAME_leftImg8bit.png`` and ``gtFine/PART/CITY/NAME_gtFine_labelIds.png``.

    The coarse splits take ``gtCoarse`` in the same way. A picture's name is ``CITY_SEQUENCE_FRAME``.
    """
    parts = lookup(SPLITS, split, "split")
    root = data_folder(root)
    if split == "test":
        return unlabelled(_named(root, IMAGES, "test", ""), LABELS, IGNORED, _how)
    found = require_files([files for part in parts for files in _wanted(root, *part)], _how)
    return found.require_all(SegmentationDataset(found.samples, LABELS, IGNORED, _read))


def _wanted(root: Path, kind: str, part: str) -> Iterator[SampleFiles]:
    """The files of every name that has a picture or a label, whether or not it has both."""
    images, masks = _named(root, IMAGES, part, ""), _named(root, kind, part, "_labelIds")
    for name in sorted(images.keys() | masks.keys()):
        city = name.split("_")[0]
        image = root / IMAGES / part / city / f"{name}_{IMAGES}.png"
        yield SampleFiles(name, image, root / kind / part / city / f"{name}_{kind}_labelIds.png")


def _named(root: Path, kind: str, part: str, ending: str) -> dict[str, Path]:
    """Path of every file of a kind by its picture's name."""
    pattern = f"*/*_{kind}{ending}.png"
    found = {path.name.removesuffix(pattern[3:]): path for path in find_files(root / kind / part, pattern)}
    if not found:
        hint = _train_ids(root / kind / part, pattern)
        raise UserError(f"{root} holds no {kind}/{part}/{pattern}: {hint}{_archive(kind, part)}")
    return found


def _how(path: Path) -> str:
    """How to get ROOT/KIND/PART/CITY/FILE, which is missing."""
    kind, part, city = path.parts[-4:-1]
    return f"{_train_ids(path.parent, path.name)}the city {city} is not whole; {_archive(kind, part)}"


def _archive(kind: str, part: str) -> str:
    pictures = "leftImg8bit_trainextra.zip" if part == "train_extra" else "leftImg8bit_trainvaltest.zip"
    archive = {IMAGES: pictures, FINE: "gtFine_trainvaltest.zip", COARSE: "gtCoarse.zip"}[kind]
    return f"extract {archive} into the same folder, from {PAGE} (after registering)"


def _train_ids(folder: Path, pattern: str) -> str:
    """Words about files of train ids that lie where label ids are looked for."""
    found = find_files(folder, pattern.replace("_labelIds", "_labelTrainIds")) if "_labelIds" in pattern else []
    return f"{found[0]} lies there, but it holds train ids, and label ids are read; " if found else ""


def _read(path: Path) -> UInt8[Tensor, "h w"]:
    """Label ids. A map of train ids (0 to 18 and 255) would be taken for other classes, so it is refused."""
    values = read_label(path)
    if values.max() == 255 and bool(((values < len(LABELS)) | (values == 255)).all()):
        raise UserError(
            f"label {path} holds train ids (0 to 18 and 255), not label ids (0 to 33): "
            f"put the original labelIds file back, from {PAGE}"
        )
    return values


def splits(root: Path) -> list[str]:
    """The splits that lie in ``root``, without the sums of others; their labels may be missing, that is told later."""
    folders = {name: (IMAGES, name) for name in ("train", "val", "test", "train_extra")}
    folders |= {"coarse_train": (COARSE, "train"), "coarse_val": (COARSE, "val")}
    return [split for split, folder in folders.items() if root.joinpath(*folder).is_dir()]
