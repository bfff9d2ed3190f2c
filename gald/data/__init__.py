"""Data sets: a table of functions ``(root, split) -> Pairs``. A new one is a file here and a line in each table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gald.data import ade20k as _ade20k
from gald.data import camvid as _camvid
from gald.data import camvid32 as _camvid32
from gald.data import cityscapes as _cityscapes
from gald.data import coco_stuff as _coco_stuff
from gald.data import folder as _folder
from gald.data import mapillary as _mapillary
from gald.data import pascal_context as _pascal_context
from gald.data import synthetic as _synthetic
from gald.data import voc2012 as _voc2012
from gald.data.pairs import IGNORE, Label, Pair, Pairs, Sample, UnpairedError
from gald.errors import UserError, lookup

DATASETS: dict[str, Callable[[Path, str], Pairs]] = {
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


def load(name: str, root: Path | None, split: str) -> Pairs:
    """Open a split of a data set of the table by name; ``root`` is its folder (``synthetic`` needs none)."""
    return lookup(DATASETS, name, "data set")(_folder_of(name, root), split)


def splits(name: str, root: Path | None) -> list[str]:
    """Names of the splits that exist in ``root``."""
    return lookup(SPLITS, name, "data set")(_folder_of(name, root))


def _folder_of(name: str, root: Path | None) -> Path:
    if root is None and name != "synthetic":
        raise UserError(f"the data set {name!r} needs the folder it lies in (--data.root ROOT; gald data {name} ROOT)")
    return root or Path()


__all__ = ["DATASETS", "IGNORE", "SPLITS", "Label", "Pair", "Pairs", "Sample", "UnpairedError", "load", "splits"]
