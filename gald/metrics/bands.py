"""IoU by distance to a boundary: are the edges better, the interiors, or both?

Bands around true boundaries after Kohli, Ladicky, Torr, "Robust higher order potentials for enforcing label
consistency", IJCV 2009 (there called a trimap).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int16, Int64, Integer
from torch import Tensor

from gald.metrics.boundary import near_edge
from gald.metrics.iou import LabelMetric, ratio
from gald.support.errors import UserError

INTERIOR = "interior"


class BandIoU(LabelMetric):
    """IoU and pixel accuracy of the pixels near true boundaries, for several widths, and of the interior.

    A pixel lies within d of a boundary if a pixel of another class lies at most d rows and d columns away (chessboard
    distance: a window of side 2 d + 1; so 1 px are the pixels that touch another class, by a corner too). The bands
    contain one another; the interior is what lies outside the widest. The truth alone says where the boundaries are, so
    two predictions are compared on the same pixels. Ignored pixels make no boundary, nor does the picture's frame.

    ``compute()`` returns ``"band_iou/3px"``, ``"band_iou/3px/NAME"`` and ``"band_accuracy/3px"`` for each width, and
    the same for ``interior``, in [0, 1]; NaN for what does not occur. ``rings`` are (D + 1, K, K) int64 matrices, rows
    truth, columns prediction, of the pixels in a band that are not in the one before; the last is the interior's.

    Args:
        num_classes: K; `names` and `ignore_index` as for `gald.metrics.iou.LabelMetric`.
        bands: D growing widths in whole pixels, from 1.
    """

    rings: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        names: Sequence[str] | None = None,
        ignore_index: int = 255,
        bands: Sequence[int] = (1, 3, 5, 9, 15),
    ) -> None:
        super().__init__(num_classes, names=names, ignore_index=ignore_index)
        if not bands or bands[0] < 1 or sorted(set(bands)) != list(bands):
            raise UserError(f"bands {tuple(bands)} must be one or more growing whole numbers of pixels from 1")
        self.bands = tuple(bands)
        self.titles = (*(f"{width}px" for width in self.bands), INTERIOR)
        self.add_counts("rings", len(self.titles), num_classes, num_classes)

    def update(self, prediction: Integer[Tensor, "b h w"], target: Integer[Tensor, "b h w"]) -> None:
        """Add a batch of label maps; a value that is no class is a `gald.support.errors.UserError`."""
        prediction, target, valid = self.checked(prediction, target)
        classes, cells = self.num_classes, self.rings.numel()
        cell = (self._ring(target, valid) * classes + target) * classes + prediction
        counts = torch.bincount(cell.masked_fill(~valid, cells).flatten(), minlength=cells + 1)
        self.rings += counts[:-1].reshape(self.rings.shape)

    def _ring(self, target: Int16[Tensor, "b h w"], valid: Bool[Tensor, "b h w"]) -> Int64[Tensor, "b h w"]:
        """Number of the narrowest band that each pixel lies in; that of the interior is D."""
        ring = torch.full(target.shape, len(self.bands), device=target.device)
        for number in reversed(range(len(self.bands))):
            ring[near_edge(target, valid, self.bands[number], frame=False)] = number
        return ring

    def confusion(self) -> Int64[Tensor, "d1 k k"]:
        """The matrix of each band, narrower ones included, and last that of the interior."""
        return torch.cat([self.rings[:-1].cumsum(0), self.rings[-1:]])

    def compute(self) -> dict[str, float]:
        """Return the ratios of everything seen since the last ``reset()``."""
        matrices = self.confusion()
        hit = matrices.diagonal(dim1=1, dim2=2)
        iou = ratio(hit, matrices.sum(1) + matrices.sum(2) - hit)
        accuracy = ratio(hit.sum(1), matrices.sum((1, 2))).tolist()
        results: dict[str, float] = {}
        for title, values, share in zip(self.titles, iou, accuracy, strict=True):
            results |= {f"band_accuracy/{title}": share, **self.report(f"band_iou/{title}", values)}
        return results
