"""The folder of a run: one run at a time, never written over by accident, and its log."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from lightning_fabric import Fabric
from torch.utils.tensorboard import SummaryWriter

from gald.config.difference import RESUMABLE, differences
from gald.config.settings import RunConfig, from_json, to_json
from gald.support.distributed import first_alone
from gald.support.errors import UserError
from gald.support.files import json_text, write_whole


@contextmanager
def claimed(out: Path, fabric: Fabric) -> Iterator[None]:
    """Hold the run folder; the lock goes with the process, so a killed run leaves none behind."""
    lock = first_alone(fabric, lambda: _locked(out))
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _locked(out: Path) -> Any:
    lock = FileLock(out / ".lock")
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another run is writing into {out}; choose another --out, or stop that run") from None
    except OSError as error:
        raise UserError(f"can't write into {out}: {error.strerror}; choose another --out") from None
    return lock


def check_folder(out: Path, resume: bool) -> None:
    """Never write over a run by accident, never resume nothing."""
    there = (out / "last.pt").is_file()
    if there and not resume:
        raise UserError(f"{out} holds a run already: go on with it by --resume, or choose another --out")
    if resume and not there:
        raise UserError(f"{out} holds no last.pt to resume from; leave out --resume to begin a run there")


def check_plan(out: Path, settings: RunConfig, resume: bool) -> None:
    """A run of several parts that goes on must be as it was planned."""
    plan = out / "config.json"
    if resume and not plan.is_file():
        raise UserError(f"{out} holds no run of several parts to resume; leave out --resume to begin one there")
    planned = from_json(plan.read_text(), str(plan)) if resume else settings
    check_resumable(planned, settings, plan)


def check_resumable(before: RunConfig, now: RunConfig, file: Path) -> None:
    """Refuse settings that would make it another run than that of the ``file``."""
    different = differences(before, now, ignored=RESUMABLE)
    if different:
        shown = "; ".join(map(str, different[:4]))
        raise UserError(f"{file} was made with other settings ({shown}); use the same, or another --out")


def keep_plan(out: Path, settings: RunConfig) -> None:
    """Write config.json of a run of several parts."""
    write_whole(out / "config.json", to_json(settings).encode())


class Log:
    """config.json, metrics.jsonl and TensorBoard. A disk that is full costs lines, never the run."""

    def __init__(self, out: Path, config: RunConfig, step: int, machine: str) -> None:
        self.path, self.begun, self.well = out / "metrics.jsonl", time.time(), True
        write_whole(out / "config.json", to_json(config).encode())
        self._forget_after(step)
        self.board = SummaryWriter(out, purge_step=step)
        self._append({"step": step, "kind": "run", "machine": machine})

    def _forget_after(self, step: int) -> None:
        """Drop what a killed run wrote past its last checkpoint (a validation there is done again), and torn lines."""
        if self.path.is_file():
            lines = [line for line in self.path.read_text().splitlines() if _keeps(line, step)]
            write_whole(self.path, "".join(line + "\n" for line in lines).encode())

    def write(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """One line; what is not a finite number (an absent class, a step that the loss scaler skipped) is null."""
        self._append({"step": step, "seconds": round(time.time() - self.begun, 2), "kind": kind, **values})
        for key, value in values.items():
            if math.isfinite(value):
                self.board.add_scalar(f"{kind}/{key}", value, step)

    def _append(self, line: dict[str, Any]) -> None:
        try:
            with self.path.open("a") as file:
                file.write(json_text(line) + "\n")
        except OSError as error:
            if self.well:
                print(f"can't write {self.path}: {error.strerror}; the run goes on without it", file=sys.stderr)
            self.well = False


def _keeps(line: str, step: int) -> bool:
    try:
        each = json.loads(line)
        return bool(each["step"] < step or (each["step"] == step and each["kind"] != "val"))
    except (json.JSONDecodeError, KeyError, TypeError):
        return False
