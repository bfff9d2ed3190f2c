"""Python runs this first where the folder is on its path: the process sends itself a signal when it comes to a call.

``INTERRUPT`` is "MODULE:NAME CALL SIGNAL". A test that watched from outside and sent the signal itself would come too
late on a loaded machine.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from itertools import count
from types import ModuleType
from typing import Any

place, call, number = os.environ["INTERRUPT"].split()
module, name = place.split(":")


class Interrupt:
    """Finds the one module, and puts the interrupted function in its place once the module is loaded."""

    def find_spec(self, wanted: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if wanted != module:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(wanted)
        load = spec.loader.exec_module

        def exec_module(loaded: ModuleType) -> None:
            load(loaded)
            *owner, last = name.split(".")
            holder = getattr(loaded, owner[0]) if owner else loaded
            setattr(holder, last, interrupted(getattr(holder, last)))

        spec.loader.exec_module = exec_module
        return spec


def interrupted(function: Callable[..., Any]) -> Callable[..., Any]:
    calls = count(1)

    def run(*arguments: Any, **options: Any) -> Any:
        if next(calls) == int(call):
            signal.raise_signal(int(number))
        return function(*arguments, **options)

    return run


if os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes the first, as by a terminal or a queue
    sys.meta_path.insert(0, Interrupt())
