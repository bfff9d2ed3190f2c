"""``gald score DATASET PREDICTIONS``: score a folder of predictions, whatever network or tool made them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from gald.cli.options import segmentation_names

if TYPE_CHECKING:
    from rich.table import Table


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
    from gald.data.registry import load_segmentation
    from gald.engine import scoring
    from gald.engine.scoring import cityscapes
    from gald.support.files import check_writable, write_json
    from gald.support.tables import console

    if out is not None:
        check_writable(out)
    pairs = load_segmentation(data, root, split)
    title = f"{data} {split}, {len(pairs)} pictures"
    if data == "cityscapes":
        scores = cityscapes.of_pairs(predictions, pairs)
        sheets = [official_table(scores, kind, title) for kind in cityscapes.KINDS]
    else:
        from gald.engine.tasks.segmentation import segmentation_table

        scores = scoring.score(predictions, pairs)
        sheet = segmentation_table(scores, [label.name for label in pairs.labels])
        sheet.title = f"{title}; {sheet.title}"
        sheets = [sheet]
    screen = console(130)
    for sheet in sheets:
        screen.print(sheet)
    if out is not None:
        about = {"data": data, "split": split, "predictions": str(predictions), "pictures": len(pairs)}
        write_json(out, {**about, "scores": scores})
        print(f"numbers: {out}")


def official_table(scores: dict[str, float], kind: str, title: str) -> Table:
    """IoU and iIoU of every class or category, the mean last, with the three decimals of the official script."""
    from rich.table import Table

    sheet = Table(kind, title=title)
    for column in ("IoU", "iIoU"):
        sheet.add_column(column, justify="right")
    for key in [key for key in scores if key.startswith(f"iou_{kind}/")]:
        sheet.add_row(key.partition("/")[2], decimals(scores[key]), decimals(scores[f"i{key}"]))
    sheet.add_section()
    sheet.add_row("mean", decimals(scores[f"iou_{kind}"]), decimals(scores[f"iiou_{kind}"]), style="bold")
    return sheet


def decimals(value: float) -> str:
    """Three of them, or n/a."""
    return "n/a" if value != value else f"{value:.3f}"
