"""Cityscapes as its benchmark counts: IoU and iIoU of classes and of categories.

Cordts et al., CVPR 2016. Categories, the classes with instances, and the mean sizes of instances (in pixels, over the
training set) are those of the official cityscapesScripts, and so are the numbers, to the last digit that it prints.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from rich.table import Table
from torch import Tensor

from gald.data.datasets.cityscapes import LABELS
from gald.data.files import SampleFiles
from gald.data.segmentation import SegmentationDataset
from gald.engine.scoring.folder import label_maps
from gald.images.io import open_picture
from gald.metrics.instance_iou import NUMBERS, Group, InstanceIoU
from gald.support.errors import UserError

LAST = 33  # label ids are 0 to 33
CATEGORIES = {
    "flat": (7, 8),
    "construction": (11, 12, 13),
    "object": (17, 19, 20),
    "nature": (21, 22),
    "sky": (23,),
    "human": (24, 25),
    "vehicle": (26, 27, 28, 31, 32, 33),
}
WITH_INSTANCES = {"human": (24, 25), "vehicle": tuple(range(26, 34))}  # caravan and trailer, too, are vehicles
SIZES = {
    24: 3462.4756337644,
    25: 3930.4788056518,
    26: 12794.0202738185,
    27: 27855.1264367816,
    28: 35732.1511111111,
    31: 67583.7075812274,
    32: 6298.7200839748,
    33: 4672.3249222261,
}
KINDS = {
    "class": {label.name: Group((label.id,), (label.id,) if label.id in SIZES else ()) for label in LABELS},
    "category": {name: Group(ids, WITH_INSTANCES.get(name, ())) for name, ids in CATEGORIES.items()},
}


def instances(pair: SampleFiles) -> Int64[Tensor, "h w"]:
    """Read the instance map beside a pair's label map: id * 1000 + number, or the id alone where there is no instance.

    Raises:
        UserError: no such file, not of 16 bits, or values that no instance of Cityscapes has.
    """
    path = pair.label.with_name(pair.label.name.replace("_labelIds", "_instanceIds"))
    picture = open_picture(path)
    if not picture.mode.startswith("I"):
        raise UserError(f"{path} (mode {picture.mode}) is no instance map of Cityscapes: those have 16 bits")
    values = torch.from_numpy(np.array(picture).astype(np.int64))
    strange = (values > LAST) & ((values // NUMBERS < 24) | (values // NUMBERS > LAST))
    if bool(strange.any()):
        raise UserError(
            f"{path} holds the value {int(values[strange][0])}, but an instance of Cityscapes has id * 1000 + number "
            "with an id from 24 to 33: put the original gtFine back"
        )
    return values


def score(predictions: Path, pairs: SegmentationDataset) -> dict[str, float]:
    """Return the benchmark's numbers for a folder of predictions in label ids (PNG, one a picture).

    Keys: ``"iou_class"``, ``"iiou_class"``, ``"iou_category"``, ``"iiou_category"``, and each of them per name, such as
    ``"iiou_class/car"``; NaN for what does not occur. A prediction may hold any label id; one that is not scored, such
    as 0, is missed.

    Raises:
        UserError: see `gald.engine.scoring.folder.label_maps` and `instances`; predictions in train ids; a split
            whose labels are not public.
    """
    if any("_labelIds" not in pair.label.name for pair in pairs.files):
        raise UserError("the labels of Cityscapes' test pictures are not public: score the split val")
    metric = InstanceIoU(KINDS, LAST + 1, SIZES)
    seen = torch.zeros(256, dtype=torch.bool)
    for pair, file, prediction, truth in label_maps(predictions, pairs):
        pairs.to_train_ids(prediction, file)  # names a value that is no label id, with its place
        seen[prediction.long()] = True
        numbers = instances(pair)
        if numbers.shape != truth.shape:
            raise UserError(f"the instance map beside {pair.label} is not of its size: put the original gtFine back")
        metric.update(_ids(prediction)[None], _ids(truth)[None], numbers[None])
    if bool(seen[1:7].any()) and not bool(seen[len(LABELS) :].any()):
        raise UserError(
            f"the predictions in {predictions} hold ids 0 to 18 only, so they seem to be train ids: "
            "the benchmark takes label ids (road is 7, bicycle 33)"
        )
    return metric.compute()


def _ids(values: UInt8[Tensor, "h w"]) -> UInt8[Tensor, "h w"]:
    """A license plate, -1 or 255 as a byte, is not scored: neither is 0."""
    return values.masked_fill(values > LAST, 0)


def tables(scores: dict[str, float]) -> list[Table]:
    """IoU and iIoU of every class, and of every category, the mean last, with the official script's three decimals."""
    return [_table(scores, kind) for kind in KINDS]


def _table(scores: dict[str, float], kind: str) -> Table:
    table = Table(kind)
    for column in ("IoU", "iIoU"):
        table.add_column(column, justify="right")
    for key in [key for key in scores if key.startswith(f"iou_{kind}/")]:
        table.add_row(key.partition("/")[2], decimals(scores[key]), decimals(scores[f"i{key}"]))
    table.add_section()
    table.add_row("mean", decimals(scores[f"iou_{kind}"]), decimals(scores[f"iiou_{kind}"]), style="bold")
    return table


def decimals(value: float) -> str:
    """Three of them, or n/a."""
    return "n/a" if value != value else f"{value:.3f}"
