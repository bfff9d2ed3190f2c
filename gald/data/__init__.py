"""Data sets: a table of functions ``(root, split) -> Pairs``. A new one is a file here and a line in each table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gald.data import camvid as _camvid
from gald.data import folder as _folder
from gald.data import synthetic as _synthetic
from gald.data.pairs import IGNORE, Label, Pair, Pairs, Sample, UnpairedError
from gald.errors import UserError, lookup

DATASETS: dict[str, Callable[[Path, str], Pairs]] = {
    "camvid": _camvid.camvid,
    "folder": _folder.folder,
    "synthetic": _synthetic.synthetic,
}
SPLITS: dict[str, Callable[[Path], list[str]]] = {
    "camvid": _camvid.splits,
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
        raise UserError(f"the data set {name!r} needs the folder it lies in")
    return root or Path()


__all__ = ["DATASETS", "IGNORE", "SPLITS", "Label", "Pair", "Pairs", "Sample", "UnpairedError", "load", "splits"]
