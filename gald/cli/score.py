"""``gald score DATASET PREDICTIONS``: score a folder of predictions, whatever network or tool made them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from gald.cli.options import segmentation_names


def score(
    data: Annotated[Positional[str], arg(metavar="DATA", help=f"{segmentation_names()}.")],
    predictions: Annotated[Positional[Path], arg(metavar="PREDICTIONS")],
    root: Path | None = None,
    split: str = "val",
    out: Path | None = None,
) -> None:
    """Score predictions in the data set's own ids, as gald predict and most tools write them: PNG, one a picture.

    Cityscapes: IoU and iIoU of classes and categories, equal to the official script's. Others: the numbers of gald
    evaluate. Files are found by name, NAME.png or NAME_*.png, anywhere in the folder.

    Args:
        data: the data set that they are predictions of.
        predictions: the folder of label maps.
        root: the data set's folder.
        split: which part of it.
        out: where the numbers go as JSON; nowhere if left out.
    """
    from gald.engine.scoring import score_folder
    from gald.support.tables import console

    for table in score_folder(data, predictions, root, split, out):
        console(130).print(table)
    if out is not None:
        print(f"numbers: {out}")
