"""Running a study: row after row in one process, each from where it was stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from gald.analysis.study.book import Book
from gald.analysis.study.pairing import first_weights
from gald.analysis.study.plan import Place, keep_plan, place, seeds_there
from gald.analysis.study.row import do
from gald.analysis.study.study import Study
from gald.data.segmentation import SegmentationDataset
from gald.engine.run_folder import folder_lock
from gald.engine.tasks.segmentation import SegmentationTask
from gald.models.segmenter import Segmenter
from gald.support.device import create_fabric


def run(name: str, study: Study, out: Path, rows: Sequence[str], seeds: Sequence[int], stop: Callable[[], bool]) -> str:
    """Train and measure what is not there yet; seed by seed, so that every row has one before any has two.

    After each row ``out/study.md`` and ``out/study.json`` are written. Returns ``""`` if all is done, else in words
    where it was stopped; the same call goes on there.

    Raises:
        UserError: missing data, another protocol than the folder was begun with, what a training raises.
    """
    train, splits = data_of(study)
    with folder_lock(out, create_fabric(study.rows[study.reference].accelerator)):
        keep_plan(out, name, study, {study.train_split: train, **splits})
        book = Book(name, study, out, splits, seeds_there(out, study, seeds))
        todo = [each for each in places(study, out, rows, seeds) if not each.finished(tuple(splits))]
        print(f"{name}: {len(todo)} of {len(rows) * len(seeds)} rows to do", flush=True)
        book.write()
        for number, (each, weights) in enumerate(with_weights(study, todo, len(train.labels)), start=1):
            if stop():
                return f"before row {each.row}, seed {each.seed}"
            print(
                f"row {number} of {len(todo)}: {each.row}, seed {each.seed}{book.left(todo[number - 1 :])}", flush=True
            )
            stopped = do(each, study, splits, weights, stop)
            if stopped:
                return f"in row {each.row}, seed {each.seed}, {stopped}"
            book.add(each)
            book.write()
    return ""


def data_of(study: Study) -> tuple[SegmentationDataset, dict[str, SegmentationDataset]]:
    """The pictures that are trained on, and those of each split that is measured, validation first."""
    task = SegmentationTask(study.rows[study.reference])
    train, *others = (task.build_dataset(split) for split in (study.train_split, *study.splits))
    return train, dict(zip(study.splits, others, strict=True))


def places(study: Study, out: Path, rows: Sequence[str], seeds: Sequence[int]) -> list[Place]:
    """The chosen rows in the study's order, once for each seed."""
    return [place(out, row, seed) for seed in seeds for row in study.rows if row in rows]


def with_weights(
    study: Study, todo: Sequence[Place], num_classes: int
) -> Iterator[tuple[Place, dict[str, Tensor] | None]]:
    """Each place with the weights that its row begins from; None for one that goes on.

    They hang on the rows before it (see `gald.analysis.study.pairing.first_weights`), so these are built as well.
    """
    builds = [partial(Segmenter.from_config, row.model, num_classes) for row in study.rows.values()]
    for seed in dict.fromkeys(each.seed for each in todo):
        here = {each.row: each for each in todo if each.seed == seed}
        new = [row for row, each in here.items() if not each.begun]
        beginnings = iter(first_weights(builds, seed))
        for row in study.rows:
            weights = next(beginnings) if new else None
            if row in here:
                yield here[row], weights if row in new else None
            new = [each for each in new if each != row]
