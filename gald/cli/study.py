"""``gald study``: every row of a study for every seed, in one process, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from gald.analysis.study import STUDIES
from gald.config.inference import Accelerator
from gald.support.errors import UserError, lookup


@dataclass(frozen=True)
class StudyData:
    """The pictures."""

    root: Path | None = None
    """The data set's folder (none for one that is drawn)."""
    workers: int = 2
    """Loading processes."""


@dataclass(frozen=True)
class BackboneWeights:
    """What the backbone of every row begins with."""

    weights: Path | None = None
    """This file (.safetensors, timm's keys)."""
    pretrained: bool = False
    """Timm's ImageNet weights (downloaded by timm on first use)."""


def study(
    name: Annotated[Positional[str], arg(metavar="NAME", help=f"{', '.join(STUDIES)}.")],
    data: StudyData = StudyData(),
    model: BackboneWeights = BackboneWeights(),
    out: Path | None = None,
    rows: tuple[str, ...] = (),
    seeds: tuple[int, ...] = (),
    accelerator: Accelerator = "auto",
) -> None:
    """Train and measure every row of a study for every seed, one after the other.

    Ctrl-C stops it; the same command goes on there, and leaves out what is finished. After each row OUT/study.md,
    study.svg and study.json are written anew.

    Args:
        name: the study.
        data: the pictures.
        model: the first weights.
        out: the study's folder: ROW/SEED for each training, plan.json, study.md, study.svg, study.json; runs/NAME
            if left out.
        rows: only these rows; all if left out.
        seeds: these seeds; the study's own if left out.
        accelerator: where it runs.
    """
    plan = lookup(STUDIES, name, "study")()
    for row in rows:
        lookup(plan.rows, row, f"row of {name}")
    if any(seed < 0 for seed in seeds) or len(set(seeds)) < len(seeds):
        raise UserError(f"seeds are different numbers of 0 and more, not {', '.join(map(str, seeds))}")
    plan = plan.placed(
        name,
        root=data.root,
        weights=model.weights,
        pretrained=model.pretrained,
        accelerator=accelerator,
        workers=data.workers,
    )

    from gald.analysis.study.runner import run_study  # torch: what is missing has been said at once
    from gald.support.signals import stop_on_signals

    out = out or Path("runs") / name
    with stop_on_signals() as stop:
        stopped = run_study(name, plan, out, rows or tuple(plan.rows), seeds or plan.seeds, stop)
    if stopped:
        print(f"stopped {stopped}; the same command goes on there")
        raise SystemExit(130)
    print(f"the study: {out / 'study.md'}, all its numbers: {out / 'study.json'}")
