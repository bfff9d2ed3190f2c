"""The scores of summed counts, as the pictures are and in every resample of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float64
from torch import Tensor

from gald.analysis.statistics.counts import Counts


@dataclass(frozen=True)
class Scores:
    """Scores by key, ``"miou"``, ``"iou/Pole"``, ``"boundary_iou"``, ..., in [0, 1]; NaN for what does not occur."""

    value: dict[str, float]
    resampled: dict[str, Float64[Tensor, " r"]] = field(default_factory=dict)
    """The same in each resample of the pictures; empty where there are too few pictures to resample."""


def score_counts(
    counts: Counts,
    classes: Sequence[str],
    weights: Float64[Tensor, "r n"] | None,
    class_wise: Collection[str] = ("iou",),
) -> Scores:
    """The mean over the classes of every number, and for those of ``class_wise`` each class's.

    Args:
        counts: of the pictures.
        classes: their names.
        weights: how often each picture is in each resample; None gives no resampled scores.
        class_wise: keys of the counts.
    """
    once = torch.ones(1, len(next(iter(counts.values()))), dtype=torch.float64)
    value = {key: score.item() for key, score in _weighted(counts, classes, once, class_wise).items()}
    return Scores(value, {} if weights is None else _weighted(counts, classes, weights, class_wise))


def _weighted(
    counts: Counts, classes: Sequence[str], weights: Float64[Tensor, "r n"], class_wise: Collection[str]
) -> dict[str, Tensor]:
    """Float64 sums of whole numbers below 2**53 are exact."""
    found: dict[str, Tensor] = {}
    for key, own in counts.items():
        if key == "truth":
            continue
        by_class = ratios((weights @ own.double().flatten(1)).reshape(-1, *own.shape[1:]))
        found["miou" if key == "iou" else key] = by_class.nanmean(1)
        if key in class_wise:
            found |= {f"{key}/{name}": by_class[:, i] for i, name in enumerate(classes)}
    return found


def ratios(counts: Float64[Tensor, "r p k"]) -> Float64[Tensor, "r k"]:
    """The scores of summed counts: part / whole of two counts, the F-score of four; NaN for 0 / 0.

    The four are those of `gald.metrics.BoundaryF`: met and all contour pixels of the prediction, then the truth.
    """
    if counts.shape[1] == 2:
        return counts[:, 0] / counts[:, 1]
    precision, recall = counts[:, 0] / counts[:, 1], counts[:, 2] / counts[:, 3]
    scores = (2 * precision * recall / (precision + recall)).nan_to_num(0.0)
    return scores.masked_fill(counts[:, 1] + counts[:, 3] == 0, torch.nan)
