"""Scores of a folder of predictions, whatever made them: label maps in the data set's own ids against its truth."""

from pathlib import Path

from rich.table import Table

from gald.data.registry import load_segmentation
from gald.engine.scoring import cityscapes, folder
from gald.engine.tasks.segmentation import segmentation_table
from gald.support.files import check_writable, write_json


def score_folder(name: str, predictions: Path, root: Path | None, split: str, out: Path | None) -> list[Table]:
    """Score the predictions of a split of the data set ``name`` by its rules, as tables to read.

    The numbers go into ``out`` as JSON, if it is given.

    Raises:
        UserError: see `gald.engine.scoring.folder.score` and `gald.engine.scoring.cityscapes.score`; an ``out`` that
            can't be written is told last, and before the work.
    """
    pairs = load_segmentation(name, root, split)
    folder.prediction_files(predictions, pairs)  # what is missing is told before ...
    if out is not None:
        check_writable(out)
    if name == "cityscapes":
        scores = cityscapes.score(predictions, pairs)
        tables = cityscapes.tables(scores)
    else:
        scores = folder.score(predictions, pairs)
        tables = [segmentation_table(scores, [label.name for label in pairs.labels])]
    for table in tables:
        title = f"{name} {split}, {len(pairs)} pictures"
        table.title = f"{title}; {table.title}" if table.title else title
    if out is not None:
        about = {"data": name, "split": split, "predictions": str(predictions), "pictures": len(pairs)}
        write_json(out, {**about, "scores": scores})
    return tables
