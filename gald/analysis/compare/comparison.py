"""Comparing two segmentations: every picture once, then the scores of both, their differences and the intervals."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Integer
from torch import Tensor

from gald.analysis.compare.predictions import Predictions
from gald.analysis.statistics.bootstrap import RESAMPLES, SEED, Estimate, blocks, draws, estimates
from gald.analysis.statistics.counts import PictureCounter, stacked
from gald.analysis.statistics.scores import score_counts
from gald.data.labels import IGNORE
from gald.data.sampling import TransformedDataset
from gald.data.segmentation import SegmentationDataset, SegmentationSample
from gald.data.transforms.segmentation import evaluate
from gald.support.errors import UserError
from gald.support.progress import track

NEAR = "band_accuracy/5px"  # what pictures are ordered by


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
        """Everything, for `gald.support.files.write_json`."""
        return {
            "numbers": {key: _as_json(number) for key, number in self.numbers.items()},
            "share_of_pixels": self.share,
            "agreement": self.agreement,
            "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "blocks": self.blocks, "interval": "95 % of B - A"},
            "pictures": {name: {NEAR: pair} for name, pair in zip(self.pictures, self.near.tolist(), strict=True)},
        }


def _as_json(number: Estimate) -> dict[str, Any]:
    interval = None if number.low != number.low else [number.low, number.high]
    return {"a": number.a, "b": number.b, "difference": number.difference, "interval": interval}


def compare(
    dataset: SegmentationDataset, a: Predictions, b: Predictions, data: str, resamples: int = RESAMPLES
) -> Comparison:
    """Look at every picture once with both; one picture's maps are in the memory at a time.

    Args:
        dataset: the pictures and their truth.
        a: what differences are taken from.
        b: the other.
        data: name of the data set, by which `gald.analysis.statistics.bootstrap.blocks` knows a video.
        resamples: of the bootstrap.

    Raises:
        UserError: what reading a picture or a prediction raises; a label map that is not of the picture's size.
    """
    samples, counter = TransformedDataset(dataset, evaluate()), PictureCounter(len(dataset.labels))
    counted: tuple[list[dict[str, Tensor]], ...] = ([], [])
    right = torch.zeros(4, dtype=torch.int64)
    for index in track(range(len(dataset)), "compare", len(dataset)):
        sample = samples[index]
        maps = [_label_map(predictions, index, sample) for predictions in (a, b)]
        for counts, label_map in zip(counted, maps, strict=True):
            counts.append(counter.count(label_map, sample["mask"]))
        right += agreement(maps[0], maps[1], sample["mask"])

    both = [stacked(counts) for counts in counted]
    names, classes = [dataset.name(i) for i in range(len(dataset))], [label.name for label in dataset.labels]
    block = blocks(names, data)
    weights = draws(block, resamples)
    class_wise = [key for key in both[0] if "accuracy" not in key]
    shares = right.double() / both[0]["truth"].sum()
    return Comparison(
        pictures=tuple(names),
        numbers=estimates(*(score_counts(counts, classes, weights, class_wise) for counts in both)),
        share=_share_of_pixels(both[0], classes),
        agreement=dict(zip(("differ", "only_a", "only_b", "both"), shares.tolist(), strict=True)),
        near=torch.stack([counts[NEAR][:, 0, 0].double() / counts[NEAR][:, 1, 0] for counts in both], 1),
        block=block,
    )


def _label_map(predictions: Predictions, index: int, sample: SegmentationSample) -> Tensor:
    found, target = predictions.label_map(index, sample["image"]), sample["mask"]
    if found.shape != target.shape:
        (rows, columns), (height, width) = found.shape, target.shape
        raise UserError(
            f"{predictions.title} gives {columns}x{rows} for {sample['name']}, whose truth is {width}x{height}"
        )
    return found


def agreement(
    a: Integer[Tensor, "h w"], b: Integer[Tensor, "h w"], target: Integer[Tensor, "h w"]
) -> Integer[Tensor, " 4"]:
    """Labelled pixels on which A and B differ, only A is right, only B is right, both are right."""
    valid, good_a, good_b = target != IGNORE, a == target, b == target
    cases = ((a != b), good_a & ~good_b, good_b & ~good_a, good_a & good_b)
    return torch.stack([(case & valid).sum() for case in cases])


def _share_of_pixels(counts: dict[str, Tensor], classes: list[str]) -> dict[str, float]:
    """Of each class and of each band, in the truth."""
    pixels = float(counts["truth"].sum())
    bands = [key for key in counts if key.startswith("band_accuracy")]
    found = dict(zip((f"iou/{name}" for name in classes), counts["truth"].sum((0, 1)).tolist(), strict=True))
    found |= {key.replace("accuracy", "iou"): counts[key][:, 1].sum().item() for key in bands}
    return {key: value / pixels for key, value in found.items()}
