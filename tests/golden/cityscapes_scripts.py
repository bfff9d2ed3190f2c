"""Runs the official cityscapesScripts in its own environment: ``PYTHON cityscapes_scripts.py ROOT PREDICTIONS``.

Prints JSON: its scores of ``ROOT/gtFine/val``, what it prints of them, its version and numpy's.
"""

from __future__ import annotations

import contextlib
import glob
import io
import json
import os
import sys
from importlib.metadata import version

import numpy as np

KEYS = ("classScores", "classInstScores", "categoryScores", "categoryInstScores")
MEANS = {
    "averageScoreClasses": "iou_class",
    "averageScoreInstClasses": "iiou_class",
    "averageScoreCategories": "iou_category",
    "averageScoreInstCategories": "iiou_category",
}


def main(root: str, predictions: str) -> None:
    os.environ["CITYSCAPES_DATASET"], os.environ["CITYSCAPES_RESULTS"] = root, predictions
    if not hasattr(np, "in1d"):  # numpy 2.4 took it away, the script of 2.3.0 calls it
        np.in1d = lambda values, others: np.isin(np.ravel(values), others)
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official  # noqa: N813

    official.args.JSONOutput = False
    truths = sorted(glob.glob(official.args.groundTruthSearch))  # noqa: PTH207  # its pattern is absolute
    files = [official.getPrediction(official.args, each) for each in truths]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        found = official.evaluateImgLists(files, truths, official.args)
    scores = {key: {name: number(value) for name, value in found[key].items()} for key in KEYS}
    scores |= {ours: number(found[theirs]) for theirs, ours in MEANS.items()}
    versions = {"cityscapesScripts": version("cityscapesScripts"), "numpy": np.__version__}
    tables = printed.getvalue()
    tables = tables[tables.index("classes ") :].strip().splitlines()  # without the matrix
    print(json.dumps({"versions": versions, "scores": scores, "printed": tables}, indent=1))


def number(value: float) -> float | None:
    """As JSON: null for NaN."""
    return None if value != value else float(value)


if __name__ == "__main__":
    main(*sys.argv[1:])
