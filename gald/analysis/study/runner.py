"""Running a study: trial after trial in one process, each from where it was stopped."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from gald.analysis.study.initial_weights import initial_weights
from gald.analysis.study.plan import keep_plan
from gald.analysis.study.results import StudyResults, TrialReader
from gald.analysis.study.study import Study
from gald.analysis.study.training import run_trial
from gald.analysis.study.trial import Trial, seeds_to_report, trials
from gald.data.segmentation import SegmentationDataset
from gald.engine.run_folder import folder_lock
from gald.engine.tasks.segmentation import SegmentationTask
from gald.models.segmenter import Segmenter
from gald.support.device import create_fabric


def run_study(
    name: str, study: Study, out: Path, rows: Sequence[str], seeds: Sequence[int], stop: Callable[[], bool]
) -> str:
    """Train and measure what is not there yet; seed by seed, so that every row has one before any has two.

    After each row ``out/study.md`` and ``out/study.json`` are written. Returns ``""`` if all is done, else in words
    where it was stopped; the same call goes on there.

    Raises:
        UserError: missing data, another protocol than the folder was begun with, what a training raises.
    """
    train, splits = open_splits(study)
    with folder_lock(out, create_fabric(study.rows[study.reference].accelerator)):
        keep_plan(out, name, study, {study.train_split: train, **splits})
        results, reader = StudyResults(name, study, seeds_to_report(study, out, seeds)), TrialReader(study, splits)
        for trial in trials(study, out, list(study.rows), results.seeds):
            results.add(trial, reader)
        results.write(out)
        todo = [trial for trial in trials(study, out, rows, seeds) if not trial.finished(study.splits)]
        print(f"{name}: {len(todo)} of {len(rows) * len(seeds)} rows to do", flush=True)
        for number, (trial, weights) in enumerate(with_weights(study, todo, len(train.labels))):
            where = f"row {trial.row}, seed {trial.seed}"
            if stop():
                return f"before {where}"
            left = results.time_left(todo[number:])
            print(f"row {number + 1} of {len(todo)}: {trial.row}, seed {trial.seed}{left}", flush=True)
            stopped = run_trial(trial, study, splits, weights, stop)
            results.add(trial, reader)
            results.write(out)
            if stopped:
                return f"in {where}, {stopped}"
    return ""


def open_splits(study: Study) -> tuple[SegmentationDataset, dict[str, SegmentationDataset]]:
    """The pictures that are trained on, and those of each split that is measured, validation first."""
    task = SegmentationTask(study.rows[study.reference])
    train, *others = (task.build_dataset(split) for split in (study.train_split, *study.splits))
    return train, dict(zip(study.splits, others, strict=True))


def with_weights(
    study: Study, todo: Sequence[Trial], num_classes: int
) -> Iterator[tuple[Trial, dict[str, Tensor] | None]]:
    """Each trial with the weights that its row begins from; None for one that goes on.

    They hang on the rows before it (see `gald.analysis.study.initial_weights`), so these are built as well.
    """
    builds = [partial(Segmenter.from_config, row.model, num_classes) for row in study.rows.values()]
    for seed in dict.fromkeys(trial.seed for trial in todo):
        here = {trial.row: trial for trial in todo if trial.seed == seed}
        new = [row for row, trial in here.items() if not trial.begun]
        beginnings = iter(initial_weights(builds, seed))
        for row in study.rows:
            weights = next(beginnings) if new else None
            if row in here:
                yield here[row], weights if row in new else None
            new = [other for other in new if other != row]
