"""A trial of a study: trained by the one engine, then measured."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from gald.analysis.profiling.flops import parameters_and_macs
from gald.analysis.statistics.scores import score_counts
from gald.analysis.study.measure import Stopped, count_pictures, save_counts
from gald.analysis.study.study import Study
from gald.analysis.study.trial import Trial
from gald.config.settings import SegmentationConfig
from gald.data.segmentation import SegmentationDataset
from gald.engine import checkpoint
from gald.engine.build import training_fabric
from gald.engine.phases import Phase
from gald.engine.run import train_phase
from gald.engine.run_folder import load_resumable
from gald.engine.tasks import load_segmenter
from gald.engine.tasks.segmentation import SegmentationTask
from gald.support.device import create_fabric, describe_device
from gald.support.files import write_json


def run_trial(
    trial: Trial,
    study: Study,
    splits: Mapping[str, SegmentationDataset],
    weights: Mapping[str, Tensor] | None,
    stop: Callable[[], bool],
) -> str:
    """Train a row and measure it; ``""`` when that is done, else in words where it was stopped.

    It begins from ``weights``, or goes on from its last.pt where there are none.
    """
    row, began = replace(study.rows[trial.row], seed=trial.seed, init=trial.beginning), time.monotonic()
    steps = row.steps - (0 if weights is not None else checkpoint.load(trial.last).step)
    if weights is not None:
        labels = next(iter(splits.values())).labels
        checkpoint.save(trial.beginning, checkpoint.Checkpoint(row, labels, 0, -math.inf, dict(weights)))
    try:
        saved = load_resumable(row, trial.folder) if weights is None else None
        outcome = train_phase(Phase(trial.folder, row), training_fabric(row), stop, saved=saved)
        if outcome.stopped:
            return f"at step {outcome.step} of {outcome.steps}"
        trial.beginning.unlink(missing_ok=True)
        _measure(trial, row, splits, stop, lambda: (time.monotonic() - began) / steps if steps else None)
    except Stopped:
        return "while it was measured"
    except RuntimeError:  # SIGTERM to the whole group ends the loading processes of an evaluation too
        if stop():
            return "while it was measured"
        raise
    return ""


def _measure(
    trial: Trial,
    row: SegmentationConfig,
    splits: Mapping[str, SegmentationDataset],
    stop: Callable[[], bool],
    pace: Callable[[], float | None],
) -> None:
    """Count what its best checkpoint gets right on every split, in float32 whatever it was trained in."""
    fabric = create_fabric(row.accelerator)
    network, task, content = load_segmenter(trial.best)
    counts = {
        split: count_pictures(task, network, dataset, fabric, stop, workers=row.data.workers, what=split)
        for split, dataset in splits.items()
    }
    about = {"row": trial.row, "seed": trial.seed, "step": content.step, **_cost(row, next(iter(splits.values())))}
    machine = describe_device(fabric.device)
    for split, dataset in splits.items():
        save_counts(trial.counts(split), counts[split])
        scores = score_counts(counts[split], [label.name for label in dataset.labels], None).value
        measured = {"split": split, "pictures": len(dataset), **about, "seconds_per_step": pace(), "machine": machine}
        write_json(trial.numbers(split), {**measured, "scores": scores})


def _cost(row: SegmentationConfig, dataset: SegmentationDataset) -> dict[str, int]:
    """Parameters and multiplications of the network that is used: without the head that only training has."""
    task = SegmentationTask(replace(row, model=replace(row.model, aux=False)))
    shape = (1, *dataset.image(0).shape)
    parameters, macs = parameters_and_macs(lambda: task.build_model(len(dataset.labels), initial_weights=False), shape)
    return {"parameters": parameters, "macs": macs}
