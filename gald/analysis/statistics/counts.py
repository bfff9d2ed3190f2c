"""What is right and wrong in each picture, as counts that add up.

The numbers of ``gald evaluate`` are ratios of sums over pictures, never means of ratios. So the sums are kept apart by
picture: then any choice of pictures, such as a resample, has its numbers too.
"""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Int64, Integer
from torch import Tensor

from gald.metrics import BoundaryF, BoundaryIoU, LabelMetric, MeanIoU, SizeIoU
from gald.metrics.bands import BandIoU
from gald.metrics.size import SIZES

TOLERANCE = 3  # pixels, of the boundary F-score
Counts = Mapping[str, Integer[Tensor, "n p k"]]
"""For each number its P counts a class (one class, if it has none) in each of the N pictures."""


class PictureCounter:
    """The counts of one picture at a time.

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

    def count(self, prediction: Integer[Tensor, "h w"], target: Integer[Tensor, "h w"]) -> dict[str, Tensor]:
        """Counts (P, K) of every number."""
        for metric in self.metrics:
            metric.reset()
            metric.update(prediction[None], target[None])
        found = {"truth": self.iou.confusion.sum(1)[None], **self._of_matrices(), **self._of_edges_and_sizes()}
        # a picture has less than 2**31 pixels, and half the bytes count with 5000 pictures of 171 classes
        return {key: counts[:, : self.num_classes].int() for key, counts in found.items()}

    def _of_matrices(self) -> dict[str, Int64[Tensor, "p k"]]:
        found = {"iou": _hit_and_union(self.iou.confusion), "pixel_accuracy": _right_and_all(self.iou.confusion)}
        for title, matrix in zip(self.bands.titles, self.bands.confusion(), strict=True):
            found |= {f"band_iou/{title}": _hit_and_union(matrix), f"band_accuracy/{title}": _right_and_all(matrix)}
        return found

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


def _hit_and_union(matrix: Int64[Tensor, "k k"]) -> Int64[Tensor, "2 k"]:
    hit = matrix.diagonal()
    return torch.stack([hit, matrix.sum(0) + matrix.sum(1) - hit])


def _right_and_all(matrix: Int64[Tensor, "k k"]) -> Int64[Tensor, "2 1"]:
    return torch.stack([matrix.diagonal().sum(), matrix.sum()])[:, None]


def stacked(pictures: Iterable[Mapping[str, Integer[Tensor, "p k"]]]) -> dict[str, Integer[Tensor, "n p k"]]:
    """The counts of many pictures, in their order."""
    found: dict[str, list[Tensor]] = {}
    for picture in pictures:
        for key, counts in picture.items():
            found.setdefault(key, []).append(counts)
    return {key: torch.stack(counts) for key, counts in found.items()}
