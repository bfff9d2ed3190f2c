"""CamVid as its authors published it: 701 pictures of 960x720 with colour masks of 32 classes, one of them Void.

Brostow, Fauqueur, Cipolla, "Semantic object classes in video", Pattern Recognition Letters 2009. Ids follow the order
of label_colors.txt; Void (30) is ignored. ``camvid_original11`` joins the colours to the 11 classes of
`gald.data.datasets.camvid` as the training of SegNet did. The archive names no split: the sequences are parted as the
SegNet tutorial's lists do (367 train, 101 val, 233 test), which is the split that papers report on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from gald.data.datasets import camvid
from gald.data.readers.colors import codes_of, ids_of_colors
from gald.data.readers.layout import part, unpacked
from gald.data.segmentation import Label, SegmentationDataset, matched, pictures_in
from gald.images.io import Color, open_picture
from gald.support.errors import UserError, lookup

# colour and name, in the order of label_colors.txt; then the one of the 11 classes that it belongs to
CLASSES = """64 128 64 Animal Pedestrian, 192 0 128 Archway Building, 0 128 192 Bicyclist Bicyclist,
0 128 64 Bridge Building, 128 0 0 Building Building, 64 0 128 Car Car, 64 0 192 CartLuggagePram Pedestrian,
192 128 64 Child Pedestrian, 192 192 128 Column_Pole Pole, 64 64 128 Fence Fence, 128 0 192 LaneMkgsDriv Road,
192 0 64 LaneMkgsNonDriv Road, 128 128 64 Misc_Text SignSymbol, 192 0 192 MotorcycleScooter Bicyclist,
128 64 64 OtherMoving Car, 64 192 128 ParkingBlock Pavement, 64 64 0 Pedestrian Pedestrian, 128 64 128 Road Road,
128 128 192 RoadShoulder Pavement, 0 0 192 Sidewalk Pavement, 192 128 128 SignSymbol SignSymbol, 128 128 128 Sky Sky,
64 128 192 SUVPickupTruck Car, 0 0 64 TrafficCone Pole, 0 64 64 TrafficLight SignSymbol, 192 64 128 Train Car,
128 128 0 Tree Tree, 192 128 192 Truck_Bus Car, 64 0 64 Tunnel Building, 192 192 0 VegetationMisc Tree,
0 0 0 Void Void, 64 192 0 Wall Building"""
ROWS = [each.split() for each in CLASSES.split(",")]
COLORS: list[Color] = [(int(row[0]), int(row[1]), int(row[2])) for row in ROWS]
VOID = [row[3] for row in ROWS].index("Void")
LABELS = tuple(Label(ROWS[i][3], COLORS[i], i) for i in range(len(ROWS)) if i != VOID)
IDS = {color: number for number, color in enumerate(COLORS)}
ELEVEN = {label.name: label.id for label in camvid.LABELS} | {"Void": camvid.VOID}
IDS11 = {color: ELEVEN[row[4]] for color, row in zip(COLORS, ROWS, strict=True)}

IMAGES, MASKS, ENDING = "701_StillsRaw_full", "LabeledApproved_full", "_L"
SPLITS = {"train": ("train",), "val": ("val",), "test": ("test",), "trainval": ("train", "val")}
SOURCE = "get {}.zip from http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/ and unpack it here"


def camvid32(root: Path, split: str) -> SegmentationDataset:
    """31 classes; Void is ignored. Splits are train, val, test, trainval."""
    return _open(root, split, LABELS, VOID, IDS)


def camvid_original11(root: Path, split: str) -> SegmentationDataset:
    """The same pictures and masks with the 11 classes of ``camvid``, so that checkpoints of either fit both."""
    return _open(root, split, camvid.LABELS, camvid.VOID, IDS11)


def _open(root: Path, split: str, labels: Sequence[Label], void: int, ids: Mapping[Color, int]) -> SegmentationDataset:
    """``701_StillsRaw_full/NAME.png`` with ``LabeledApproved_full/NAME_L.png``."""
    parts = lookup(SPLITS, split, "split")
    base = unpacked(root)
    images = pictures_in(part(base, [IMAGES], SOURCE.format(IMAGES)))
    masks = pictures_in(part(base, [MASKS], SOURCE.format(MASKS)))
    masks = {name.removesuffix(ENDING): path for name, path in masks.items()}
    images, masks = ({n: path for n, path in each.items() if split_of(n) in parts} for each in (images, masks))
    if not images and not masks:
        raise UserError(f"{base / IMAGES} holds no picture of the split {split!r}: was the archive unpacked whole?")
    read = partial(_read, ids=ids)
    return matched(images, masks, partial(SegmentationDataset, labels=labels, ignored=(void,), read=read))


def split_of(name: str) -> str:
    """The split that a picture belongs to, by its sequence and frame."""
    if name.startswith("Seq05VD_") or "0001TP_008550" <= name <= "0001TP_010380":
        return "test"
    return "val" if "0016E5_07959" <= name <= "0016E5_08159" else "train"


def _read(path: Path, ids: Mapping[Color, int]) -> UInt8[Tensor, "h w"]:
    picture = open_picture(path)
    codes = codes_of(picture.convert("RGB") if picture.mode == "P" else picture)
    if codes is None:
        raise UserError(
            f"label {path} ({picture.format}, mode {picture.mode}) is no colour mask as CamVid's {MASKS} holds them; "
            "for masks of the 11 ids use the data set 'camvid'"
        )
    return ids_of_colors(codes, ids, path, "CamVid's label_colors.txt")


def splits(root: Path) -> list[str]:
    """The splits of which there are pictures in ``root``."""
    found = {split_of(path.stem) for path in (root / IMAGES).glob("*.png")}
    return [name for name in ("train", "val", "test") if name in found]
