"""In what the settings of two runs differ, and which differences matter to whom."""

import json
import re
from collections.abc import Mapping, Set
from typing import NamedTuple

from gald.config.serialization import to_json
from gald.config.settings import RunConfig

# where a run takes place
OF_A_MACHINE = {"accelerator", "data.root", "then.root", "data.workers"}
# what changes no number of a run: where it takes place, and what it writes when
WITHOUT_EFFECT = OF_A_MACHINE | {"log_every", "save_every"}
# what may be another when a run is resumed: how it began, and how fast it goes, too
RESUMABLE = WITHOUT_EFFECT | {"val_every", "compile", "init"}
RESUMABLE |= {"model.pretrained", "model.weights", "model.torchvision"}
# what says nothing about a network that is trained
OF_NO_NETWORK = OF_A_MACHINE | {"model.weights", "init"}


class Difference(NamedTuple):
    """One setting that differs, by its dotted name, such as ``data.crop``."""

    name: str
    before: object
    now: object

    def __str__(self) -> str:
        return f"{self.name} was {self.before}, is {self.now}"


def differences(before: RunConfig, now: RunConfig, *, ignored: Set[str] = frozenset()) -> list[Difference]:
    """The settings that differ, but for those that are ``ignored``; nothing but the task where that is another."""
    if before.task != now.task:
        return [Difference("task", before.task, now.task)]
    old, new = (_flat(json.loads(to_json(settings))) for settings in (before, now))
    everything = {name: new.get(name) for name in old | new}
    return [found for found in changed(old, everything) if re.sub(r"\.\d+\.", ".", found.name) not in ignored]


def changed(before: Mapping[str, object], now: Mapping[str, object]) -> list[Difference]:
    """The entries of ``now`` that were others ``before``, or were not there."""
    return [Difference(name, before.get(name), value) for name, value in now.items() if before.get(name) != value]


def _flat(settings: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """``{"model": {"ga": "psp"}, "then": [{"steps": 2}]}`` as ``{"model.ga": "psp", "then.0.steps": 2}``."""
    found: dict[str, object] = {}
    for key, value in settings.items():
        if isinstance(value, list) and all(isinstance(part, dict) for part in value):
            value = {str(number): part for number, part in enumerate(value)}
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
