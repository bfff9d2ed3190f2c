"""A run of several parts: fine data, then coarse or other data, then fine data again (the GALD paper, section 4.1).

Each part, a phase, is trained in a folder of its own, and begins with the last weights of the phase before.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gald.config.settings import PhaseConfig, RunConfig, SegmentationConfig
from gald.data.registry import DATASETS
from gald.support.errors import UserError, lookup


@dataclass(frozen=True)
class Phase:
    """Its folder and settings, and how it is called (nothing where it is the whole of a run)."""

    folder: Path
    settings: RunConfig
    title: str = ""

    def __str__(self) -> str:
        settings, data, crop = self.settings, self.settings.data, ""
        if isinstance(settings, SegmentationConfig):
            crop = f", crop {settings.data.crop[0]}x{settings.data.crop[1]}"
        return (
            f"{self.title}: {settings.steps} steps of {settings.batch} pictures, {data.name} {data.train_split}{crop}, "
            f"rate {settings.optim.lr:g}{', frozen batch norm' if settings.frozen_norm else ''}"
        )

    @contextmanager
    def named(self) -> Iterator[None]:
        """Within, a mistake says which phase it is in."""
        try:
            yield
        except UserError as error:
            raise UserError(f"{self.title}: {error}" if self.title else str(error)) from None


def phases_of(settings: RunConfig, out: Path) -> list[Phase]:
    """The phases of a run: itself in ``out``, or ``out/1-begin``, ``out/2-NAME``, ... where it has several."""
    lookup(DATASETS, settings.data.name, "data set").folder(settings.data.root)  # raises where it needs one
    if not isinstance(settings, SegmentationConfig) or not settings.then:
        return [Phase(out, settings)]
    count, first = 1 + len(settings.then), replace(settings, then=())
    phases = [Phase(out / "1-begin", first, f"part 1 of {count}, begin")]
    for number, config in enumerate(settings.then, start=2):
        title = f"part {number} of {count}, {config.name}"
        if config.data is not None and config.root is None:
            raise UserError(
                f"{title}, trains on another data set, {config.data}: say where it lies, --then.{number - 2}.root ROOT"
            )
        if not config.name.replace("-", "").replace("_", "").isalnum():
            raise UserError(f"{title}: its name becomes a folder; use letters, digits, - and _")
        phase = Phase(out / f"{number}-{config.name}", first, title)
        with phase.named():
            changed = replace(settings_of(first, config), init=phases[-1].folder / "last.pt")
        phases.append(replace(phase, settings=changed))
    return phases


def settings_of(first: SegmentationConfig, phase: PhaseConfig) -> SegmentationConfig:
    """The settings of the first phase with those that a later one names."""
    data = {"name": phase.data, "root": phase.root, "train_split": phase.train_split, "crop": phase.crop}
    others = {"batch": phase.batch, "steps": phase.steps, "frozen_norm": phase.frozen_norm}
    optim = replace(first.optim, **_given({"lr": phase.lr}))
    return replace(first, data=replace(first.data, **_given(data)), optim=optim, **_given(others))


def _given(values: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
