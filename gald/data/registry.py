"""Data sets: tables of functions ``(root, split) -> Pairs``, or ``-> Objects`` for boxes.

A new one is a file here and a line in each of two tables.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gald.config.settings import DRAWN
from gald.data.datasets import ade20k as _ade20k
from gald.data.datasets import camvid as _camvid
from gald.data.datasets import camvid32 as _camvid32
from gald.data.datasets import cityscapes as _cityscapes
from gald.data.datasets import coco_boxes as _coco_boxes
from gald.data.datasets import coco_stuff as _coco_stuff
from gald.data.datasets import folder as _folder
from gald.data.datasets import mapillary as _mapillary
from gald.data.datasets import pascal_context as _pascal_context
from gald.data.datasets import shapes as _shapes
from gald.data.datasets import synthetic as _synthetic
from gald.data.datasets import voc2012 as _voc2012
from gald.data.datasets import voc_boxes as _voc_boxes
from gald.data.detection import DetectionDataset
from gald.data.segmentation import SegmentationDataset
from gald.support.errors import UserError, lookup

DATASETS: dict[str, Callable[[Path, str], SegmentationDataset]] = {
    "camvid": _camvid.camvid,
    "camvid32": _camvid32.camvid32,
    "camvid_original11": _camvid32.camvid_original11,
    "ade20k": _ade20k.ade20k,
    "pascal_context59": _pascal_context.pascal_context59,
    "pascal_context60": _pascal_context.pascal_context60,
    "coco_stuff164k": _coco_stuff.coco_stuff164k,
    "coco_stuff10k": _coco_stuff.coco_stuff10k,
    "cityscapes": _cityscapes.cityscapes,
    "mapillary": _mapillary.mapillary,
    "mapillary19": _mapillary.mapillary19,
    "mapillary_v2": _mapillary.mapillary_v2,
    "voc2012": _voc2012.voc2012,
    "folder": _folder.folder,
    "synthetic": _synthetic.synthetic,
}
SPLITS: dict[str, Callable[[Path], list[str]]] = {
    "camvid": _camvid.splits,
    "camvid32": _camvid32.splits,
    "camvid_original11": _camvid32.splits,
    "ade20k": _ade20k.splits,
    "pascal_context59": _pascal_context.splits,
    "pascal_context60": _pascal_context.splits,
    "coco_stuff164k": _coco_stuff.splits164k,
    "coco_stuff10k": _coco_stuff.splits10k,
    "cityscapes": _cityscapes.splits,
    "mapillary": _mapillary.splits,
    "mapillary19": _mapillary.splits,
    "mapillary_v2": _mapillary.splits,
    "voc2012": _voc2012.splits,
    "folder": _folder.splits,
    "synthetic": _synthetic.splits,
}

OBJECT_DATASETS: dict[str, Callable[[Path, str], DetectionDataset]] = {
    "voc0712": _voc_boxes.voc0712,
    "voc_folder": _voc_boxes.voc_folder,
    "coco": _coco_boxes.coco,
    "coco_folder": _coco_boxes.coco_folder,
    "shapes": _shapes.shapes,
}
OBJECT_SPLITS: dict[str, Callable[[Path], list[str]]] = {
    "voc0712": _voc_boxes.splits0712,
    "voc_folder": _voc_boxes.splits,
    "coco": _coco_boxes.coco_splits,
    "coco_folder": _coco_boxes.splits,
    "shapes": _shapes.splits,
}


def load(name: str, root: Path | None, split: str) -> SegmentationDataset:
    """Open a split of a data set of the table by name; ``root`` is its folder (``synthetic`` needs none)."""
    if name in OBJECT_DATASETS:
        raise UserError(f"the data set {name!r} has boxes, for detectors; here it takes one with label maps")
    return lookup(DATASETS, name, "data set")(_folder_of(name, root), split)


def splits(name: str, root: Path | None) -> list[str]:
    """Names of the splits that exist in ``root``."""
    return lookup(SPLITS, name, "data set")(_folder_of(name, root))


def load_objects(name: str, root: Path | None, split: str, masks: bool = True) -> DetectionDataset:
    """Open a split of a data set with boxes; without ``masks`` none is decoded, even if the set has them."""
    objects = lookup(OBJECT_DATASETS, name, "data set with boxes")(_folder_of(name, root), split)
    return objects if masks else objects.boxes_only()


def object_splits(name: str, root: Path | None) -> list[str]:
    """Names of the splits of a data set with boxes that exist in ``root``."""
    return lookup(OBJECT_SPLITS, name, "data set with boxes")(_folder_of(name, root))


def _folder_of(name: str, root: Path | None) -> Path:
    if root is None and name not in DRAWN:
        raise UserError(f"the data set {name!r} needs the folder it lies in (--data.root ROOT; gald data {name} ROOT)")
    return root or Path()
