"""How far the difference of two sides hangs on the pictures that happened to be there: a paired bootstrap.

Efron, Tibshirani, "An Introduction to the Bootstrap", 1993; blocks for data in a row after Carlstein, "The use of
subseries values for estimating the variance of a general statistic from a stationary sequence", Annals of Statistics
1986.

Both sides are looked at on the same resampled pictures, and their numbers are computed again from the summed counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64, Integer
from torch import Tensor

from gald.analysis.tally import values
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


def draws(block: Int64[Tensor, " n"], resamples: int = RESAMPLES, seed: int = SEED) -> Float64[Tensor, "r n"]:
    """How often each picture is in each resample: as many blocks as there are, drawn with replacement."""
    count = int(block.max()) + 1
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return torch.from_numpy(times).double()[:, block]


def estimate(
    a: Integer[Tensor, "n p k"], b: Integer[Tensor, "n p k"], weights: Float64[Tensor, "r n"] | None
) -> tuple[Estimate, list[Estimate]]:
    """The mean over the classes that occur, and each class; ``weights`` are `draws`, none gives no interval."""
    whole = [_classes(each, each.new_ones(1, len(each)).double())[0] for each in (a, b)]
    if weights is None:
        drawn = [torch.full_like(each, torch.nan)[None] for each in whole]
    else:
        drawn = [_classes(each, weights) for each in (a, b)]
    low, high = _interval(drawn[1] - drawn[0])
    rows = torch.stack([whole[0], whole[1], whole[1] - whole[0], low, high], 1).tolist()
    mean_a, mean_b = (each.nanmean().item() for each in whole)
    bottom, top = _interval((drawn[1].nanmean(1) - drawn[0].nanmean(1))[:, None])
    mean = Estimate(mean_a, mean_b, mean_b - mean_a, bottom.item(), top.item())
    return mean, [Estimate(*row) for row in rows]


def _classes(counts: Integer[Tensor, "n p k"], weights: Float64[Tensor, "r n"]) -> Float64[Tensor, "r k"]:
    """Each class's number in each resample; float64 sums of whole numbers below 2**53 are exact."""
    sums = weights @ counts.double().flatten(1)
    return values(sums.reshape(len(weights), *counts.shape[1:]))


def _interval(differences: Float64[Tensor, "r k"]) -> tuple[Float64[Tensor, " k"], Float64[Tensor, " k"]]:
    """The middle 95 % of the resamples; those without a number are left out."""
    tail = (1 - LEVEL) / 2
    low, high = torch.nanquantile(differences, torch.tensor([tail, 1 - tail], dtype=torch.float64), dim=0)
    return low, high
