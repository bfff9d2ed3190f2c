"""Any data set: the metrics of ``gald evaluate`` on label maps that lie in a folder."""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.files import SampleFiles, find_files
from gald.data.labels import IGNORE
from gald.data.segmentation import SegmentationDataset
from gald.images.io import read_label
from gald.metrics import segmentation_metrics
from gald.support.errors import UserError
from gald.support.progress import track

NOTHING = "(no class)"


def prediction_files(predictions: Path, pairs: SegmentationDataset) -> dict[str, Path]:
    """Find the prediction of every pair: ``NAME.png`` or ``NAME_*.png``, anywhere below the folder.

    That is what ``gald predict`` writes, and what the Cityscapes server takes (``CITY_SEQUENCE_FRAME*.png``).

    Raises:
        UserError: no such folder; a pair that has no file, or several.
    """
    if not predictions.is_dir():
        raise UserError(f"the folder of predictions {predictions} does not exist")
    by_stem: dict[str, list[Path]] = {}
    for path in find_files(predictions, "**/*.png"):
        by_stem.setdefault(path.stem, []).append(path)
    names = {Path(pair.name).name for pair in pairs.files}
    # a_1.png is no prediction of a where the data set has an a_1 too
    longer = {stem: paths for stem, paths in by_stem.items() if stem not in names}
    found = {pair.name: _exact(pair.name, by_stem) or _longer(pair.name, longer) for pair in pairs.files}
    without = [name for name, files in found.items() if not files]
    if without:
        raise UserError(
            f"{len(without)} of {len(found)} pictures have no prediction in {predictions}, the first is {without[0]}: "
            f"write {without[0]}.png there, a label map in the data set's own ids"
        )
    twice = next((files for files in found.values() if len(files) > 1), None)
    if twice is not None:
        raise UserError(f"{twice[0]} and {twice[1]} are predictions of the same picture: keep one of them")
    return {name: files[0] for name, files in found.items()}


def _exact(name: str, by_stem: dict[str, list[Path]]) -> list[Path]:
    paths = by_stem.get(Path(name).name, [])
    if len(paths) > 1:  # a name may have folders in it
        paths = [path for path in paths if path.with_suffix("").as_posix().endswith(f"/{name}")] or paths
    return paths


def _longer(name: str, by_stem: dict[str, list[Path]]) -> list[Path]:
    return [path for stem, paths in by_stem.items() if stem.startswith(f"{Path(name).name}_") for path in paths]


def label_maps(
    predictions: Path, pairs: SegmentationDataset, what: str = "score"
) -> Iterator[tuple[SampleFiles, Path, UInt8[Tensor, "h w"], UInt8[Tensor, "h w"]]]:
    """Yield pair, prediction file, prediction and truth, both in the files' own values, checked for size and values.

    Raises:
        UserError: see `prediction_files`; a file that is no label map of its picture's size, or holds a value
            that is neither a class's nor ignored.
    """
    if not len(pairs):
        raise UserError("there are no pictures to score")
    found = prediction_files(predictions, pairs)
    for index in track(range(len(pairs)), what, len(pairs)):
        pair = pairs.files[index]
        file = found[pair.name]
        prediction, truth = read_label(file), pairs.values(index)
        if prediction.shape != truth.shape:
            (rows, columns), (height, width) = prediction.shape, truth.shape
            raise UserError(f"prediction {file} is {columns}x{rows}, but its truth {pair.label} is {width}x{height}")
        yield pair, file, prediction, truth


def score(predictions: Path, pairs: SegmentationDataset) -> dict[str, float]:
    """Return what `gald.metrics.segmentation_metrics` says of a folder of predictions.

    A prediction may hold the data set's ignored values: those pixels are missed, and are nobody's false positives.

    Raises:
        UserError: see `label_maps`; no pixel of the truth has a class.
    """
    names = [label.name for label in pairs.labels]
    # "no class" stands in as one more class, which the truth never holds, and is left out of the results
    metrics = segmentation_metrics(len(names) + 1, [*names, NOTHING])
    for pair, file, prediction, truth in label_maps(predictions, pairs):
        guess = pairs.to_train_ids(prediction, file).long()
        metrics.update(
            guess.masked_fill(guess == IGNORE, len(names))[None], pairs.to_train_ids(truth, pair.label)[None]
        )
    scores = _of_classes({key: float(value) for key, value in metrics.compute().items()}, names)
    if scores["miou"] != scores["miou"]:
        raise UserError("no pixel of the truth has a class: there is nothing to score (a test set's labels stay away)")
    return scores


def _of_classes(scores: dict[str, float], names: list[str]) -> dict[str, float]:
    """Leave out what stands in for no class, and take the means again without it."""
    kept = {key: value for key, value in scores.items() if not key.endswith(f"/{NOTHING}")}
    for mean in [key.removesuffix(f"/{NOTHING}") for key in scores.keys() - kept.keys()]:
        values = torch.tensor([kept[f"{mean}/{name}"] for name in names], dtype=torch.float64)
        kept["miou" if mean == "iou" else mean] = values.nanmean().item()
    return kept
