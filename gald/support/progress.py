"""Progress of long work: a bar with a rate and the time left, or plain lines where there is no terminal."""

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")
LINE_EVERY = 10.0  # seconds between plain lines


class Bar:
    """A progress bar over ``total`` steps that begins at ``start``; silent unless ``shown`` (other ranks of a run)."""

    def __init__(
        self, what: str, total: int, *, start: int = 0, unit: str = "", per_step: int = 1, shown: bool = True
    ) -> None:
        self.what, self.total, self.unit, self.per_step, self.shown = what, total, unit, per_step, shown
        self.start, self.done, self.begun, self.last_line = start, start, time.monotonic(), float("-inf")
        self.console = Console(file=sys.stderr)
        self.rich: Progress | None = None
        if shown and self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
            )  # fmt: skip
            self.rich = Progress(*columns, console=self.console)
            self.task = self.rich.add_task(what, total=total, completed=start, note="")

    def __enter__(self) -> "Bar":
        if self.rich is not None:
            self.rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.rich is not None:
            self.rich.stop()

    @property
    def rate(self) -> float:
        """Units (steps times ``per_step``) a second since the bar was made."""
        return (self.done - self.start) * self.per_step / max(time.monotonic() - self.begun, 1e-9)

    def advance(self, note: str = "") -> None:
        """Count one step; ``note`` is shown behind the rate."""
        self.done += 1
        shown = f"{self.rate:.1f} {self.unit}/s {note}".rstrip()
        if self.rich is not None:
            self.rich.update(self.task, completed=self.done, note=shown)
        elif self.shown and (time.monotonic() - self.last_line > LINE_EVERY or self.done == self.total):
            self.last_line = time.monotonic()
            left = (self.total - self.done) * self.per_step / max(self.rate, 1e-9)
            print(f"{self.what} {self.done}/{self.total}  {shown}  {_clock(left)} left", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        if self.shown:
            (self.rich.console if self.rich is not None else self.console).print(line, highlight=False, markup=False)


def track(items: Iterable[T], what: str, total: int, *, unit: str = "pictures", shown: bool = True) -> Iterator[T]:
    """Iterate with a progress bar."""
    with Bar(what, total, unit=unit, shown=shown) as bar:
        for item in items:
            yield item
            bar.advance()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
