"""What one side gets right and wrong in each picture, as counts that add up.

The numbers of ``gald evaluate`` are ratios of sums over pictures, never means of ratios. So the sums are kept apart by
picture: then any choice of pictures, such as a resample, has its numbers too.
"""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int64, Integer
from torch import Tensor

from gald.metrics import BoundaryF, BoundaryIoU, LabelMetric, MeanIoU, SizeIoU
from gald.metrics.bands import BandIoU
from gald.metrics.size import SIZES

TOLERANCE = 3  # pixels, of the boundary F-score


class Tally:
    """Counts of one side, picture after picture.

    Pixels for which a folder of predictions has no class are given the train id ``num_classes``: they are missed, and
    are nobody's false positives.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        classes = num_classes + 1  # "no class" stands in as one more, which no result shows
        self.iou, self.boundary = MeanIoU(classes), BoundaryIoU(classes)
        self.contours = BoundaryF(classes, tolerances=(TOLERANCE,))
        self.size, self.bands = SizeIoU(classes), BandIoU(classes)
        self.metrics: list[LabelMetric] = [self.iou, self.boundary, self.contours, self.size, self.bands]
        self.rows: dict[str, list[Tensor]] = {}

    def add(self, prediction: Integer[Tensor, "h w"], target: Integer[Tensor, "h w"]) -> None:
        """Count a picture."""
        for metric in self.metrics:
            metric.reset()
            metric.update(prediction[None], target[None])
        counts = {"truth": self.iou.confusion.sum(1)[None], **self._of_matrices(), **self._of_edges_and_sizes()}
        for key, each in counts.items():
            # a picture has less than 2**31 pixels, and half the bytes count with 5000 pictures of 171 classes
            self.rows.setdefault(key, []).append(each[:, : self.num_classes].int())

    def _of_matrices(self) -> dict[str, Int64[Tensor, "p k"]]:
        found = {"iou": _hit_and_union(self.iou.confusion), "pixel_accuracy": self._right(self.iou.confusion)}
        for title, matrix in zip(self.bands.titles, self.bands.confusion(), strict=True):
            found |= {f"band_iou/{title}": _hit_and_union(matrix), f"band_accuracy/{title}": self._right(matrix)}
        return found

    def _right(self, matrix: Int64[Tensor, "k k"]) -> Int64[Tensor, "2 1"]:
        """Pixels that are right, and all pixels."""
        return torch.stack([matrix.diagonal().sum(), matrix.sum()])[:, None]

    def _of_edges_and_sizes(self) -> dict[str, Int64[Tensor, "p k"]]:
        edges, contours, size = self.boundary, self.contours, self.size
        whole = size.true_positive + size.false_negative + size.false_positive
        return {
            "boundary_iou": torch.stack([edges.intersection, edges.union]),
            f"boundary_f/{TOLERANCE}px": torch.stack(
                [contours.met_prediction[0], contours.all_prediction, contours.met_target[0], contours.all_target]
            ),
            **{f"iou_{name}": torch.stack([size.true_positive[i], whole[i]]) for i, name in enumerate(SIZES)},
        }

    def counts(self) -> dict[str, Integer[Tensor, "n p k"]]:
        """For each number its P counts a class (one class, if it has none) in each of the N pictures."""
        return {key: torch.stack(rows) for key, rows in self.rows.items()}


def _hit_and_union(matrix: Int64[Tensor, "k k"]) -> Int64[Tensor, "2 k"]:
    hit = matrix.diagonal()
    return torch.stack([hit, matrix.sum(0) + matrix.sum(1) - hit])


def values(counts: Float64[Tensor, "r p k"]) -> Float64[Tensor, "r k"]:
    """The numbers of summed counts: part / whole of two counts, the F-score of four; NaN for 0 / 0.

    The four are those of `gald.metrics.BoundaryF`: met and all contour pixels of the prediction, then the truth.
    """
    if counts.shape[1] == 2:
        return counts[:, 0] / counts[:, 1]
    precision, recall = counts[:, 0] / counts[:, 1], counts[:, 2] / counts[:, 3]
    scores = (2 * precision * recall / (precision + recall)).nan_to_num(0.0)
    return scores.masked_fill(counts[:, 1] + counts[:, 3] == 0, torch.nan)
