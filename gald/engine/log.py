"""The log of a run: config.json, metrics.jsonl and TensorBoard events in its folder."""

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from gald.config.serialization import to_json
from gald.config.settings import RunConfig
from gald.support.files import json_text, write_whole


class Log:
    """Writes config.json at once, then a line a call. A disk that is full costs lines, never the run."""

    def __init__(self, folder: Path, settings: RunConfig, step: int, machine: str) -> None:
        self.path, self.begun, self.complained = folder / "metrics.jsonl", time.time(), False
        write_whole(folder / "config.json", to_json(settings).encode())
        self._forget_after(step)
        self.board = SummaryWriter(folder, purge_step=step)
        self._append({"step": step, "kind": "run", "machine": machine})

    def _forget_after(self, step: int) -> None:
        """Drop what a killed run wrote past its last checkpoint (a validation there is done again), and torn lines."""
        if self.path.is_file():
            kept = [
                text
                for text, line in _lines(self.path)
                if line["step"] < step or (line["step"] == step and line["kind"] != "val")
            ]
            write_whole(self.path, "".join(text + "\n" for text in kept).encode())

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
            if not self.complained:
                print(f"can't write {self.path}: {error.strerror}; the run goes on without it", file=sys.stderr)
            self.complained = True


def validated(folder: Path, step: int) -> bool:
    """Whether the run in ``folder`` was validated after a step; where a file lacks, that is done again."""
    path, best = folder / "metrics.jsonl", folder / "best.safetensors"
    if not path.is_file() or not best.is_file():
        return False
    return any(line["step"] == step and line["kind"] == "val" for _, line in _lines(path))


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each whole line of a metrics.jsonl, as it stands and as it reads."""
    for text in path.read_text().splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int) and "kind" in line:
            yield text, line
