"""How far the difference of two networks hangs on the pictures that happened to be there: a paired bootstrap.

Efron, Tibshirani, "An Introduction to the Bootstrap", 1993; blocks for data in a row after Carlstein, "The use of
subseries values for estimating the variance of a general statistic from a stationary sequence", Annals of Statistics
1986.

Both are looked at on the same resampled pictures, and their scores are computed again from the summed counts.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from gald.analysis.statistics.scores import Scores
from gald.data.registry import DATASETS

RESAMPLES, SEED = 2000, 0
LEVEL = 0.95
RUN = 10  # pictures of a sequence that are drawn together; CamVid has one a second
FEWEST = 5  # blocks that an interval needs


class Estimate(NamedTuple):
    """A number of A and of B in [0, 1], B - A, and the interval of that difference; NaN for what is not there."""

    a: float
    b: float
    difference: float
    low: float
    high: float

    @property
    def undecided(self) -> bool:
        """Whether the interval contains 0, or there is none."""
        return not (self.low > 0 or self.high < 0)


def blocks(names: Sequence[str], data: str) -> Int64[Tensor, " n"]:
    """Number of the block that each picture is drawn with: its own, or that of about ten neighbours in a video."""
    if data not in DATASETS or not DATASETS[data].video:
        return torch.arange(len(names))
    result, first = torch.empty(len(names), dtype=torch.int64), 0
    for sequence in dict.fromkeys(map(_sequence, names)):
        places = sorted((i for i, name in enumerate(names) if _sequence(name) == sequence), key=names.__getitem__)
        runs = np.array_split(np.array(places), max(1, round(len(places) / RUN)))
        for number, run in enumerate(runs, first):
            result[run] = number
        first += len(runs)
    return result


def _sequence(name: str) -> str:
    return name.rpartition("/")[2].partition("_")[0]


def draws(block: Int64[Tensor, " n"], resamples: int = RESAMPLES, seed: int = SEED) -> Float64[Tensor, "r n"] | None:
    """How often each picture is in each resample: as many blocks as there are, drawn with replacement.

    None for fewer than `FEWEST` blocks.
    """
    count = int(block.max()) + 1
    if count < FEWEST:
        return None
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return torch.from_numpy(times).double()[:, block]


def interval(resampled: Float64[Tensor, "r *k"]) -> tuple[Float64[Tensor, "*k"], Float64[Tensor, "*k"]]:
    """The middle 95 % of the resamples; those without a number are left out."""
    tail = (1 - LEVEL) / 2
    low, high = torch.nanquantile(resampled, torch.tensor([tail, 1 - tail], dtype=torch.float64), dim=0)
    return low, high


def estimates(a: Scores, b: Scores) -> dict[str, Estimate]:
    """Every score of A and of B, and their difference."""
    keys = list(a.value)
    low = high = [math.nan] * len(keys)
    if a.resampled:
        differences = torch.stack([b.resampled[key] - a.resampled[key] for key in keys], 1)
        low, high = (ends.tolist() for ends in interval(differences))
    pairs = [(a.value[key], b.value[key]) for key in keys]
    rows = zip(keys, pairs, low, high, strict=True)
    return {key: Estimate(*pair, pair[1] - pair[0], *ends) for key, pair, *ends in rows}
