"""CamVid as its authors published it: 701 pictures of 960x720 with colour masks of 32 classes, one of them Void.

Brostow, Fauqueur, Cipolla, "Semantic object classes in video", Pattern Recognition Letters 2009. Ids follow the order
of label_colors.txt; Void (30) is ignored. ``camvid_original11`` joins the colours to the 11 classes of
`gald.data.datasets.camvid` as the training of SegNet did. The archive names no split: the sequences are parted as the
SegNet tutorial's lists do (367 train, 101 val, 233 test), which is the split that papers report on.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from gald.data.datasets import camvid
from gald.data.files import data_folder, find_one, find_pictures, pair_by_name, split_parts
from gald.data.labels import Label, label_table
from gald.data.readers.colors import codes_of, ids_of_colors
from gald.data.segmentation import SegmentationDataset
from gald.images.io import Color, open_picture
from gald.support.errors import UserError

CLASSES = label_table(  # in the order of label_colors.txt
    """Animal 64 128 64, Archway 192 0 128, Bicyclist 0 128 192, Bridge 0 128 64, Building 128 0 0, Car 64 0 128,
    CartLuggagePram 64 0 192, Child 192 128 64, Column_Pole 192 192 128, Fence 64 64 128, LaneMkgsDriv 128 0 192,
    LaneMkgsNonDriv 192 0 64, Misc_Text 128 128 64, MotorcycleScooter 192 0 192, OtherMoving 128 64 64,
    ParkingBlock 64 192 128, Pedestrian 64 64 0, Road 128 64 128, RoadShoulder 128 128 192, Sidewalk 0 0 192,
    SignSymbol 192 128 128, Sky 128 128 128, SUVPickupTruck 64 128 192, TrafficCone 0 0 64, TrafficLight 0 64 64,
    Train 192 64 128, Tree 128 128 0, Truck_Bus 192 128 192, Tunnel 64 0 64, VegetationMisc 192 192 0, Void 0 0 0,
    Wall 64 192 0"""
)
VOID = next(label.id for label in CLASSES if label.name == "Void")
LABELS = tuple(label for label in CLASSES if label.id != VOID)
IDS = {label.color: label.id for label in CLASSES}
ELEVEN = {  # what each of the 11 classes is made of
    "Sky": "Sky",
    "Building": "Archway Bridge Building Tunnel Wall",
    "Pole": "Column_Pole TrafficCone",
    "Road": "LaneMkgsDriv LaneMkgsNonDriv Road",
    "Pavement": "ParkingBlock RoadShoulder Sidewalk",
    "Tree": "Tree VegetationMisc",
    "SignSymbol": "Misc_Text SignSymbol TrafficLight",
    "Fence": "Fence",
    "Car": "Car OtherMoving SUVPickupTruck Train Truck_Bus",
    "Pedestrian": "Animal CartLuggagePram Child Pedestrian",
    "Bicyclist": "Bicyclist MotorcycleScooter",
}
ELEVEN_OF = {name: label.id for label in camvid.LABELS for name in ELEVEN[label.name].split()} | {"Void": camvid.VOID}
IDS11 = {label.color: ELEVEN_OF[label.name] for label in CLASSES}

IMAGES, MASKS, ENDING = "701_StillsRaw_full", "LabeledApproved_full", "_L"
SOURCE = "get {}.zip from http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/ and unpack it here"


def camvid32(root: Path, split: str) -> SegmentationDataset:
    """31 classes; Void is ignored. Splits are train, val, test, trainval."""
    return _open(root, split, LABELS, VOID, IDS)


def camvid_original11(root: Path, split: str) -> SegmentationDataset:
    """The same pictures and masks with the 11 classes of ``camvid``, so that checkpoints of either fit both."""
    return _open(root, split, camvid.LABELS, camvid.VOID, IDS11)


def _open(root: Path, split: str, labels: Sequence[Label], void: int, ids: Mapping[Color, int]) -> SegmentationDataset:
    """``701_StillsRaw_full/NAME.png`` with ``LabeledApproved_full/NAME_L.png``."""
    parts = split_parts(split, camvid.SPLITS)
    base = data_folder(root)
    images, masks = (find_pictures(find_one(base, [name], SOURCE.format(name))) for name in (IMAGES, MASKS))
    masks = {stem.removesuffix(ENDING): path for stem, path in masks.items()}
    images, masks = ({name: found[name] for name in found if split_of(name) in parts} for found in (images, masks))
    if not images and not masks:
        raise UserError(f"{base / IMAGES} holds no picture of the split {split!r}: was the archive unpacked whole?")
    found = pair_by_name(images, masks)
    return found.require_all(SegmentationDataset(found.samples, labels, (void,), partial(_read, ids=ids)))


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
    return [split for split in camvid.SPLITS if split in found]
