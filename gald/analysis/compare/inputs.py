"""From two paths to what is compared: each a checkpoint or a folder of label maps, and the data set of both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_fabric import Fabric

from gald.analysis.compare.predictions import Model, Predictions, folder_predictions, model_predictions
from gald.config.difference import OF_NO_NETWORK, Difference, differences
from gald.data.labels import IGNORE
from gald.data.registry import load_segmentation
from gald.data.segmentation import SegmentationDataset
from gald.engine.checkpoint import check_classes
from gald.engine.tasks import load_segmenter
from gald.engine.tasks.segmentation import SegmentationTask
from gald.support.errors import UserError


@dataclass(frozen=True)
class Inputs:
    """A and B on one split of a data set."""

    a: Predictions
    b: Predictions
    dataset: SegmentationDataset
    data: str
    """Name of the data set."""
    split: str
    differences: Sequence[Difference] = ()
    """Settings that the runs of two checkpoints differ in."""
    notes: Sequence[str] = ()
    """Sentences that the user should see."""

    @property
    def facts(self) -> dict[str, str]:
        """The data set in words."""
        size, classes = len(self.dataset), len(self.dataset.labels)
        return {"data": self.data, "split": self.split, "pictures": str(size), "classes": str(classes)}


def open_inputs(
    paths: tuple[Path, Path], data: str | None, root: Path | None, split: str | None, fabric: Fabric
) -> Inputs:
    """Open both; what is None is the first checkpoint's.

    Raises:
        UserError: a path that is neither, a data set that nobody names, or one of other classes or without labels.
    """
    models = [open_model(path) for path in paths]
    known, notes = [model for model in models if model is not None], list[str]()
    if known:
        of_run = known[0].task.config.data
        of_run = replace(of_run, name=data or of_run.name, root=root or of_run.root)
        data, chosen = of_run.name, split or of_run.val_split
        dataset = SegmentationTask(replace(known[0].task.config, data=of_run)).build_dataset(chosen)
    elif data is None:
        raise UserError("two folders don't say what they are predictions of: give --data.name and --data.root")
    else:
        chosen = split or "val"
        notes += [] if split else ["folders don't say which split they are of: val is taken, --split names another"]
        dataset = load_segmentation(data, root, chosen)
    for model in known:
        check_classes(model.content, dataset.labels, model.path)
    check_labels(dataset)
    a, b = (
        folder_predictions(path, dataset, title) if model is None else model_predictions(model, title, fabric)
        for path, model, title in zip(paths, models, titles(*paths), strict=True)
    )
    found = differences(*(model.task.config for model in known), ignored=OF_NO_NETWORK) if len(known) == 2 else []
    return Inputs(a, b, dataset, data, chosen, found, [*notes, *a.notes, *b.notes])


def open_model(path: Path) -> Model | None:
    """The network of a checkpoint; None for a folder, which is opened when its pictures are known."""
    if (path / "best.safetensors").is_file():
        raise UserError(f"{path} is the folder of a run; give {path / 'best.safetensors'}")
    if not path.exists():
        raise UserError(f"{path} does not exist; give a checkpoint or a folder of label maps")
    return None if path.is_dir() else Model(path, *load_segmenter(path))


def titles(a: Path, b: Path) -> tuple[str, str]:
    """The last parts of both paths, two or as many as tell them apart."""
    parts = [path.resolve().parts[1:] for path in (a, b)]
    for count in range(2, 1 + max(map(len, parts))):
        first, second = ("/".join(path[-count:]) for path in parts)
        if first != second:
            return first, second
    return "/".join(parts[0][-2:]), "/".join(parts[1][-2:])


def check_labels(dataset: SegmentationDataset) -> None:
    """Raise `UserError` where there is nothing to compare with."""
    if not len(dataset):
        raise UserError("there are no pictures to compare on")
    if not any(bool((dataset.mask(i) != IGNORE).any()) for i in range(len(dataset))):
        raise UserError("no pixel of the truth has a class: compare on a split whose labels are public, such as val")
