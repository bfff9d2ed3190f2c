"""Scores over the seeds of a study, and paired differences of them."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from gald.analysis.statistics.bootstrap import interval
from gald.analysis.statistics.scores import Scores

SplitScores = Mapping[tuple[str, int], Scores]  # of each (row, seed) that is finished, on one split


@dataclass(frozen=True)
class OverSeeds:
    """A number by seed; only of seeds for which it exists."""

    by_seed: dict[int, float]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.by_seed.values()) if self.by_seed else math.nan

    @property
    def spread(self) -> float:
        """Sample standard deviation over the seeds; NaN for fewer than two."""
        return statistics.stdev(self.by_seed.values()) if len(self.by_seed) > 1 else math.nan

    def as_json(self) -> dict[str, Any]:
        """For `gald.support.files.write_json`."""
        by_seed = {str(seed): value for seed, value in self.by_seed.items()}
        return {"mean": self.mean, "spread": self.spread, "by_seed": by_seed}


@dataclass(frozen=True)
class Difference(OverSeeds):
    """Row minus other, seed by seed; only of seeds for which both are finished."""

    low: float
    """The middle 95 % of the mean over these seeds when the pictures are resampled; NaN without resamples. It holds
    the trained networks still, so it says nothing about other seeds: the spread does."""
    high: float

    @property
    def above(self) -> int:
        """Seeds in which the row is above the other."""
        return sum(value > 0 for value in self.by_seed.values())

    @property
    def below(self) -> int:
        return sum(value < 0 for value in self.by_seed.values())

    def as_json(self) -> dict[str, Any]:
        """For `gald.support.files.write_json`."""
        ends = None if math.isnan(self.low) else [self.low, self.high]
        return {**super().as_json(), "above": self.above, "below": self.below, "interval": ends}


def over_seeds(scores: SplitScores, row: str, key: str) -> OverSeeds:
    """The score ``key`` of a row for all its finished seeds."""
    by_seed = {seed: own.value[key] for (name, seed), own in sorted(scores.items()) if name == row}
    return OverSeeds(_existing(by_seed))


def difference(scores: SplitScores, row: str, other: str, key: str) -> Difference:
    """The score ``key`` of ``row`` minus that of ``other``, paired by seed."""
    seeds = [seed for name, seed in sorted(scores) if name == row and (other, seed) in scores]
    pairs = {seed: (scores[row, seed], scores[other, seed]) for seed in seeds}
    by_seed = _existing({seed: own.value[key] - others.value[key] for seed, (own, others) in pairs.items()})
    existing = (pairs[seed] for seed in by_seed)
    resampled = [own.resampled[key] - others.resampled[key] for own, others in existing if own.resampled]
    if not resampled:
        return Difference(by_seed, math.nan, math.nan)
    low, high = interval(torch.stack(resampled).mean(0))
    return Difference(by_seed, low.item(), high.item())


def _existing(by_seed: dict[int, float]) -> dict[int, float]:
    return {seed: value for seed, value in by_seed.items() if not math.isnan(value)}
