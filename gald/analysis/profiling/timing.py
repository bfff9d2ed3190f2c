"""Seconds of wall clock, taken in turns."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Times:
    """Seconds of wall clock, one for each repetition."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def in_turns(
    works: Mapping[str, Work], repetitions: int, tell: Callable[[str], None] | None = None
) -> dict[str, Times]:
    """Run all pieces of work in turn, ``repetitions`` times, so that other load on the machine hits every one.

    Each should have run once before: the first call loads kernels and fills caches. ``tell`` gets a line a round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for repetition in range(1, repetitions + 1):
        for name, work in works.items():
            seconds[name].append(seconds_of(work))
        if tell is not None:
            latest = ", ".join(f"{own[-1]:.2f}" for own in seconds.values())
            tell(f"  {repetition} of {repetitions}: {latest} s")
    return {name: Times(tuple(own)) for name, own in seconds.items()}


def seconds_of(work: Work) -> float:
    """Wall clock of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def affordable(works: Iterable[Work], budget: float) -> int:
    """How many rounds of these pieces of work fit into ``budget`` seconds, by one round each (which warms them up)."""
    return rounds(sum(map(seconds_of, works)), budget)


def rounds(seconds: float, budget: float, least: int = 3, most: int = 25) -> int:
    """How many rounds of so many seconds fit into ``budget`` seconds."""
    return max(least, min(most, int(budget / (seconds + 1e-9))))
