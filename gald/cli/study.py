"""``gald study``: every row of a study for every seed, in one process, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from gald.analysis.study import STUDIES, Study
from gald.support.errors import UserError, lookup


@dataclass(frozen=True)
class Where:
    """The pictures."""

    root: Path | None = None
    """The data set's folder (none for one that is drawn)."""
    workers: int = 2
    """Loading processes."""


@dataclass(frozen=True)
class Begin:
    """What the backbone of every row begins with."""

    weights: Path | None = None
    """This file (.safetensors, timm's keys)."""
    pretrained: bool = False
    """Timm's ImageNet weights (downloaded by timm on first use)."""


def study(
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")],
    data: Where = Where(),  # frozen: no call can change it
    model: Begin = Begin(),
    out: Path | None = None,
    rows: tuple[str, ...] = (),
    seeds: tuple[int, ...] = (),
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> None:
    """Train and measure every row of a study for every seed, one after the other.

    Ctrl-C stops it; the same command goes on there, and leaves out what is finished. After each row OUT/study.md,
    study.svg and study.json are written anew.

    Args:
        name: camvid, camvid_full or synthetic.
        data: the pictures.
        model: the first weights.
        out: the study's folder: ROW/SEED for each training, plan.json, study.md, study.svg, study.json; runs/NAME
            if left out.
        rows: only these rows; all if left out.
        seeds: these seeds; the study's own if left out.
        accelerator: where it runs.
    """
    plan = lookup(STUDIES, name, "study")()
    chosen = check(plan, name, rows, seeds, data, model)  # before torch is there: what is missing is said at once
    plan = plan.placed(
        root=data.root,
        weights=model.weights,
        pretrained=model.pretrained,
        accelerator=accelerator,
        workers=data.workers,
    )

    from gald.analysis.study.running import run
    from gald.support.signals import stop_on_signals

    out = out or Path("runs") / name
    with stop_on_signals() as stop:
        stopped = run(name, plan, out, chosen, seeds or plan.seeds, stop)
    if stopped:
        print(f"stopped {stopped}; the same command goes on there")
        raise SystemExit(130)
    print(f"the study: {out / 'study.md'}, all its numbers: {out / 'study.json'}")


def check(
    study: Study, name: str, rows: Sequence[str], seeds: Sequence[int], data: Where, model: Begin
) -> tuple[str, ...]:
    """The rows to run; a sentence for what can't be."""
    for row in rows:
        lookup(study.rows, row, f"row of {name}")
    if any(seed < 0 for seed in seeds) or len(set(seeds)) < len(seeds):
        raise UserError(f"seeds are different numbers of 0 and more, not {', '.join(map(str, seeds))}")
    drawn = study.rows[study.reference].data.name == "synthetic"
    if drawn and data.root is not None:
        raise UserError(f"the pictures of {name} are drawn, none are read: leave --data.root out")
    if not drawn and data.root is None:
        raise UserError(f"{name} needs pictures: say where they lie, --data.root ROOT")
    if not drawn and data.root is not None and not data.root.is_dir():
        raise UserError(f"there is no folder {data.root}: --data.root is where the pictures lie")
    if study.pretrained and not (model.weights or model.pretrained):
        raise UserError(
            f"the backbones of {name} begin with ImageNet weights: give their file, --model.weights FILE, or "
            "--model.pretrained where timm may download them"
        )
    if model.weights is not None and not model.weights.is_file():
        raise UserError(f"there is no file {model.weights}: --model.weights holds the backbone's first weights")
    return tuple(rows) or tuple(study.rows)
