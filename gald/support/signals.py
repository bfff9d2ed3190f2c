"""SIGINT and SIGTERM as a wish to stop, so that a run can finish its step and save itself."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Within, the first signal is a wish, which the function that is yielded tells; the second one stops at once."""
    wished: list[int] = []

    def wish(number: int, frame: FrameType | None) -> None:
        if wished:
            raise KeyboardInterrupt
        wished.append(number)
        print("\nstopping and saving after this step; once more stops at once", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, wish) for number in SIGNALS}
    try:
        yield lambda: bool(wished)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals(worker: int) -> None:
    """Ctrl-C and SLURM's SIGTERM reach the whole process group; the run decides, its loading processes go on."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def ignore_interrupts(worker: int) -> None:
    """The same for Ctrl-C alone, where nobody closes the loader by hand and Python ends it by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
