"""Means and paired differences over the seeds of a study."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from gald.analysis.statistics.bootstrap import interval
from gald.analysis.statistics.scores import Scores

Found = Mapping[tuple[str, int], Scores]  # of each (row, seed) that is finished, on one split


@dataclass(frozen=True)
class Mean:
    """A number of a row: its mean over the seeds, and their sample standard deviation (NaN for fewer than two)."""

    mean: float
    spread: float
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """Row minus other, seed by seed."""

    by_seed: dict[int, float]
    """Only seeds for which both rows are finished, and the number exists."""
    low: float
    """The middle 95 % of the mean over these seeds when the pictures are resampled; NaN without resamples. It holds
    the trained networks still, so it says nothing about other seeds: the spread does."""
    high: float

    @property
    def mean(self) -> float:
        return _mean(self.by_seed.values())

    @property
    def spread(self) -> float:
        """Sample standard deviation over the seeds; NaN for fewer than two."""
        return _spread(self.by_seed.values())

    @property
    def above(self) -> int:
        """Seeds in which the row is above the other."""
        return sum(value > 0 for value in self.by_seed.values())

    @property
    def below(self) -> int:
        return sum(value < 0 for value in self.by_seed.values())


def mean(found: Found, row: str, key: str) -> Mean:
    """The number ``key`` of a row over all its finished seeds."""
    values = {seed: each.value[key] for (name, seed), each in sorted(found.items()) if name == row}
    values = {seed: value for seed, value in values.items() if not math.isnan(value)}
    return Mean(_mean(values.values()), _spread(values.values()), tuple(values))


def difference(found: Found, row: str, other: str, key: str) -> Difference:
    """The number ``key`` of ``row`` minus that of ``other``, paired by seed."""
    seeds = [seed for name, seed in sorted(found) if name == row and (other, seed) in found]
    by_seed = {seed: found[row, seed].value[key] - found[other, seed].value[key] for seed in seeds}
    by_seed = {seed: value for seed, value in by_seed.items() if not math.isnan(value)}
    drawn = [
        found[row, seed].resampled[key] - found[other, seed].resampled[key]
        for seed in by_seed
        if found[row, seed].resampled
    ]
    if not drawn:
        return Difference(by_seed, math.nan, math.nan)
    low, high = interval(torch.stack(drawn).mean(0))
    return Difference(by_seed, low.item(), high.item())


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return statistics.fmean(values) if values else math.nan


def _spread(values: Iterable[float]) -> float:
    values = list(values)
    return statistics.stdev(values) if len(values) > 1 else math.nan
