"""IoU by the size of the object: where the small things go that a mean over pixels does not show.

The limits between small, medium and large are those of Lin et al., "Microsoft COCO: Common Objects in Context", ECCV
2014, arXiv 1405.0312. Semantic maps know no instances, so an object is an 8-connected area of one class.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int16, Int64, Integer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from gald.metrics.iou import LabelMetric, ratio
from gald.support.errors import UserError

SIZES = ("small", "medium", "large")


def object_area(labels: Integer[np.ndarray, "h w"]) -> Int64[np.ndarray, "h w"]:
    """Return, for each pixel, the pixels in the 8-connected area of one value that it belongs to.

    All values at once: rows are cut into runs of one value, and runs of neighbouring rows that touch (also by a corner)
    are joined. Three times as fast as ``scipy.ndimage.label`` class by class for 19 classes on 2 megapixels.
    """
    starts = np.ones(labels.shape, bool)
    starts[:, 1:] = labels[:, 1:] != labels[:, :-1]
    run = np.cumsum(starts).reshape(labels.shape) - 1
    lengths = np.bincount(run.ravel())
    upper, lower = np.concatenate([_touching(labels, starts, run, shift) for shift in (-1, 0, 1)], axis=1)
    graph = coo_array((np.ones(len(upper), bool), (upper, lower)), shape=(len(lengths), len(lengths)))
    _, area = connected_components(graph, directed=False)
    # float64 sums of whole numbers below 2**53 are exact
    areas = np.bincount(area, weights=lengths).astype(np.int64)
    return np.asarray(areas[area][run])


def _touching(
    labels: Integer[np.ndarray, "h w"], starts: np.ndarray, run: np.ndarray, shift: int
) -> Int64[np.ndarray, "2 n"]:
    """Return the runs (upper row, lower row) that meet where the lower row is moved by ``shift`` columns.

    Two runs that share several columns start to do so where one of them starts, so each pair is listed once or twice.
    """
    width = labels.shape[1]
    up = np.s_[:-1, max(0, -shift) : width - max(0, shift)]
    down = np.s_[1:, max(0, shift) : width + min(0, shift)]
    meet = (labels[up] == labels[down]) & (starts[up] | starts[down])
    return np.stack([run[up][meet], run[down][meet]])


class SizeIoU(LabelMetric):
    """IoU of each class among small, medium and large objects; an object is an 8-connected area of a class.

    For class c and a size: TP are the pixels of true objects of that size that are predicted c, FN the rest of their
    pixels. FP are the pixels predicted c that are not c; each counts in the size of the *predicted* object it lies in
    (a stray speck is a small mistake, the frayed rim of a road belongs to a large thing). Ignored pixels are removed
    from truth and prediction before objects are looked for, so they neither join nor enlarge any.

    ``compute()`` returns ``"iou_small"``, ``"iou_medium"``, ``"iou_large"`` and ``"iou_small/NAME"`` ..., in [0, 1];
    NaN, and out of the mean, where a class has neither a true object nor a false pixel of that size.

    Args:
        num_classes: K; `names` and `ignore_index` as for `gald.metrics.iou.LabelMetric`.
        limits: pixels from which an object is medium, and from which it is large; COCO's 32 x 32 and 96 x 96.
    """

    true_positive: Tensor
    false_negative: Tensor
    false_positive: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        names: Sequence[str] | None = None,
        ignore_index: int = 255,
        limits: tuple[int, int] = (32**2, 96**2),
    ) -> None:
        super().__init__(num_classes, names=names, ignore_index=ignore_index)
        if not 0 < limits[0] < limits[1]:
            raise UserError(f"size limits {limits} must be two growing numbers of pixels, such as (1024, 9216)")
        self.limits = limits
        for name in ("true_positive", "false_negative", "false_positive"):
            self.add_counts(name, len(SIZES), num_classes)

    def update(self, prediction: Integer[Tensor, "b h w"], target: Integer[Tensor, "b h w"]) -> None:
        """Add a batch of label maps; a value that is no class is a `gald.support.errors.UserError`."""
        prediction, target, valid = self.checked(prediction, target)
        wrong = valid & (prediction != target)
        true_size = self._sizes(target.masked_fill(~valid, -1))
        predicted_size = self._sizes(prediction.masked_fill(~valid, -1))
        self.true_positive += self._tally(target, true_size, valid & ~wrong)
        self.false_negative += self._tally(target, true_size, wrong)
        self.false_positive += self._tally(prediction, predicted_size, wrong)

    def _sizes(self, labels: Int16[Tensor, "b h w"]) -> Int64[Tensor, "b h w"]:
        """Return 0, 1 or 2 for the size of the object that each pixel belongs to (found on the CPU)."""
        areas = np.stack([object_area(picture) for picture in labels.cpu().numpy()])
        return torch.from_numpy(np.searchsorted(self.limits, areas, side="right")).to(labels.device)

    def _tally(
        self, labels: Int16[Tensor, "b h w"], sizes: Int64[Tensor, "b h w"], where: Bool[Tensor, "b h w"]
    ) -> Int64[Tensor, "s k"]:
        """Count the pixels marked in ``where`` by size and class."""
        cells = len(SIZES) * self.num_classes
        cell = (sizes * self.num_classes + labels).masked_fill(~where, cells)
        return torch.bincount(cell.flatten(), minlength=cells + 1)[:-1].reshape(len(SIZES), self.num_classes)

    def compute(self) -> dict[str, float]:
        """Return the ratios of everything seen since the last ``reset()``."""
        values = ratio(self.true_positive, self.true_positive + self.false_negative + self.false_positive)
        results: dict[str, float] = {}
        for size, by_class in zip(SIZES, values, strict=True):
            results |= self.report(f"iou_{size}", by_class)
        return results
