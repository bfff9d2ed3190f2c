"""A run of several parts: fine data, then coarse or other data, then fine data again (the GALD paper, section 4.1).

Each part is a run of its own, in a folder of its own, that begins with the last weights of the part before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gald.config.settings import PhaseConfig, RunConfig, SegmentationConfig
from gald.data.registry import DATASETS
from gald.support.errors import UserError, lookup

if TYPE_CHECKING:
    from gald.data.labels import Label


@dataclass(frozen=True)
class Part:
    """One part of a run: its folder and settings, and how it is called (nothing for the whole of a run of one)."""

    folder: Path
    settings: RunConfig
    title: str = ""


def parts(run: RunConfig, out: Path) -> list[Part]:
    """The parts of a run: itself in ``out``, or ``out/1-begin``, ``out/2-NAME``, ... where it has several."""
    lookup(DATASETS, run.data.name, "data set").folder(run.data.root)  # raises where it needs one
    if not isinstance(run, SegmentationConfig) or not run.then:
        return [Part(out, run)]
    first, count = replace(run, then=()), 1 + len(run.then)
    found = [Part(out / "1-begin", first, f"part 1 of {count}, begin")]
    for number, phase in enumerate(run.then, start=2):
        if phase.data is not None and phase.root is None:
            raise UserError(
                f"part {number} of {count}, {phase.name}, trains on another data set, {phase.data}: "
                f"say where it lies, --then.{number - 2}.root ROOT"
            )
        title = f"part {number} of {count}, {phase.name}"
        if not phase.name.replace("-", "").replace("_", "").isalnum():
            raise UserError(f"{title}: its name becomes a folder; use letters, digits, - and _")
        try:
            settings = replace(changed(first, phase), init=found[-1].folder / "last.pt")
        except UserError as error:
            raise UserError(f"{title}: {error}") from None
        found.append(Part(out / f"{number}-{phase.name}", settings, title))
    return found


def changed(run: SegmentationConfig, phase: PhaseConfig) -> SegmentationConfig:
    """The run's settings with those that the phase names."""
    data = {"name": phase.data, "root": phase.root, "train_split": phase.train_split, "crop": phase.crop}
    others = {"batch": phase.batch, "steps": phase.steps, "frozen_norm": phase.frozen_norm}
    optim = replace(run.optim, **_given({"lr": phase.lr}))
    return replace(run, data=replace(run.data, **_given(data)), optim=optim, **_given(others))


def _given(values: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def said(part: Part) -> str:
    """A part in words, for the screen."""
    run = part.settings
    crop = f", crop {run.data.crop[0]}x{run.data.crop[1]}" if isinstance(run, SegmentationConfig) else ""
    return (
        f"{part.title}: {run.steps} steps of {run.batch} pictures, {run.data.name} {run.data.train_split}{crop}, "
        f"rate {run.optim.lr:g}{', frozen batch norm' if run.frozen_norm else ''}"
    )


def check(todo: Sequence[Part]) -> None:
    """Open the data of every part, so that what a late one lacks is told before the first has trained for a day."""
    from gald.data.labels import check_same_classes
    from gald.data.sampling import share  # with torch, which a missing folder needn't wait for
    from gald.engine.tasks import build_task

    trained: tuple[Label, ...] | None = None
    for part in todo:
        run, data = part.settings, part.settings.data
        try:
            share(run.batch, run.devices * run.nodes, run.micro_batch)
            for split in (data.train_split, data.val_split):
                labels = build_task(run).build_dataset(split).labels
                trained = trained or labels
                check_same_classes(
                    labels, trained, data.name, "the part before", "every part of a run needs the same classes"
                )
        except UserError as error:
            raise UserError(f"{part.title}: {error}") from None
