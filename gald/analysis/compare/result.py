"""Comparing two sides: every picture once, then the numbers of both, their differences and the intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64, Int64, Integer
from torch import Tensor

from gald.analysis.compare.sides import Side
from gald.analysis.statistics import FEWEST, RESAMPLES, SEED, Estimate, blocks, draws, estimate
from gald.analysis.tally import Tally
from gald.data.labels import IGNORE
from gald.data.segmentation import SegmentationDataset, SegmentationSample
from gald.support.errors import UserError
from gald.support.progress import track

NEAR = "band_accuracy/5px"  # what pictures are ordered by
Counts = dict[str, Tensor]


@dataclass(frozen=True)
class Comparison:
    """What `compare` found; shares and numbers lie in [0, 1], differences are B - A."""

    pictures: tuple[str, ...]
    numbers: dict[str, Estimate]
    """``"miou"``, ``"iou/road"``, ``"band_iou/3px"``, ``"band_iou/3px/road"`` ...: the keys of the metrics."""
    share: dict[str, float]
    """Of the labelled pixels: each class's (``"iou/road"``), each band's (``"band_iou/3px"``)."""
    agreement: dict[str, float]
    """Shares of the labelled pixels: ``"differ"``, ``"only_a"`` and ``"only_b"`` right, ``"both"`` right."""
    near: Tensor
    """Accuracy within 5 px of true boundaries, float64 (N, 2): of A and of B in each picture; NaN without boundary."""
    block: Tensor
    """int64 (N,): number of the run of neighbours that each picture was resampled with."""

    @property
    def blocks(self) -> int:
        """What was resampled: so many pictures, or runs of neighbouring ones."""
        return int(self.block.max()) + 1

    @property
    def same(self) -> bool:
        """Whether A and B give the same class on every labelled pixel."""
        return self.agreement["differ"] == 0

    def as_json(self) -> dict[str, Any]:
        """Everything, for JSON; null for what is not there."""
        return {
            "numbers": {key: _plain(each) for key, each in self.numbers.items()},
            "share_of_pixels": self.share,
            "agreement": self.agreement,
            "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "blocks": self.blocks, "interval": "95 % of B - A"},
            "pictures": {name: {NEAR: pair} for name, pair in zip(self.pictures, self.near.tolist(), strict=True)},
        }


def _plain(number: Estimate) -> dict[str, Any]:
    interval = None if number.low != number.low else [number.low, number.high]
    return {"a": number.a, "b": number.b, "difference": number.difference, "interval": interval}


def compare(
    pairs: SegmentationDataset,
    sample: Callable[[int], SegmentationSample],
    a: Side,
    b: Side,
    data: str,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Look at every picture once with both sides; one picture's maps are in the memory at a time.

    Args:
        pairs: the data set.
        sample: picture ``i`` of it, as evaluation takes it.
        a: the side that differences are taken from.
        b: the other side.
        data: name of the data set, by which `gald.analysis.statistics.blocks` knows a video.
        resamples: of the bootstrap.

    Raises:
        UserError: what reading a picture or a side raises; a side's label map that is not of the picture's size.
    """
    tallies = Tally(len(pairs.labels)), Tally(len(pairs.labels))
    right = torch.zeros(4, dtype=torch.int64)
    for index in track(range(len(pairs)), "compare", len(pairs)):
        each = sample(index)
        target, maps = each["mask"], [_map(side, index, each) for side in (a, b)]
        for tally, label_map in zip(tallies, maps, strict=True):
            tally.add(label_map, target)
        right += agreement(maps[0], maps[1], target)
    names = [pairs.name(i) for i in range(len(pairs))]
    block = blocks(names, data)
    weights = draws(block, resamples) if int(block.max()) + 1 >= FEWEST else None
    return _result(
        names, [label.name for label in pairs.labels], [each.counts() for each in tallies], right, block, weights
    )


def _map(side: Side, index: int, sample: SegmentationSample) -> Tensor:
    found, target = side.label_map(index, sample["image"]), sample["mask"]
    if found.shape != target.shape:
        (rows, columns), (height, width) = found.shape, target.shape
        raise UserError(f"{side.title} gives {columns}x{rows} for {sample['name']}, whose truth is {width}x{height}")
    return found


def agreement(
    a: Integer[Tensor, "h w"], b: Integer[Tensor, "h w"], target: Integer[Tensor, "h w"]
) -> Integer[Tensor, " 4"]:
    """Labelled pixels on which A and B differ, only A is right, only B is right, both are right."""
    valid, good_a, good_b = target != IGNORE, a == target, b == target
    cases = ((a != b), good_a & ~good_b, good_b & ~good_a, good_a & good_b)
    return torch.stack([(each & valid).sum() for each in cases])


def _result(
    pictures: Sequence[str],
    classes: Sequence[str],
    counts: Sequence[Counts],
    right: Tensor,
    block: Int64[Tensor, " n"],
    weights: Float64[Tensor, "r n"] | None,
) -> Comparison:
    a, b = counts
    pixels = float(a["truth"].sum())
    numbers: dict[str, Estimate] = {}
    for key in [key for key in a if key != "truth"]:
        mean, each = estimate(a[key], b[key], weights)
        numbers["miou" if key == "iou" else key] = mean
        if len(each) == len(classes) and "accuracy" not in key:
            numbers |= {f"{key}/{name}": number for name, number in zip(classes, each, strict=True)}
    bands = {key.replace("accuracy", "iou"): a[key][:, 1].sum().item() for key in a if key.startswith("band_accuracy")}
    truth = dict(zip((f"iou/{name}" for name in classes), a["truth"].sum((0, 1)).tolist(), strict=True))
    return Comparison(
        pictures=tuple(pictures),
        numbers=numbers,
        share={key: value / pixels for key, value in (truth | bands).items()},
        agreement=dict(zip(("differ", "only_a", "only_b", "both"), (right.double() / pixels).tolist(), strict=True)),
        near=torch.stack([side[NEAR][:, 0, 0].double() / side[NEAR][:, 1, 0] for side in counts], 1),
        block=block,
    )
