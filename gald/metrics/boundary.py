"""How well contours are met: Boundary IoU and boundary F-score, for all classes at once.

Cheng, Girshick, Dollar, Berg, Kirillov, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR
2021, arXiv 2103.16562. Csurka, Larlus, Perronnin, "What is a good evaluation measure for semantic segmentation?", BMVC
2013; Takikawa et al., "Gated-SCNN", ICCV 2019, arXiv 1907.05740, for the tolerances 3, 5, 9 and 12 px.

Classes do not overlap, so no step here runs once a class. A pixel of class c lies within d of its class's edge where a
window around it holds another label: where the window's largest label differs from its smallest. And each pixel can be
on the contour of one class only, its own, so the contours of 31 classes are drawn in one map, a bit of an integer each.

Ignored pixels are removed from truth *and* prediction. They count as no class: an edge is where a valid pixel has a
valid pixel of another class nearby, so the rim of an ignored area is no edge, and what was predicted inside it is not
seen. The reason: a rim would be an edge in truth and prediction alike, a free match that hides the real ones (its shape
is the annotator's, not the network's). So a prediction that is right on all valid pixels scores exactly 1.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int16, Int32, Int64, Integer
from torch import Size, Tensor

from gald.metrics.iou import LabelMetric, ratio
from gald.support.errors import UserError

NONE, OUTSIDE = -1, 32767  # no label; larger than every label
BITS = 31  # classes that fit into an int32 at once


def boundary_width(height: int, width: int, share: float = 0.02) -> int:
    """Return Boundary IoU's d in pixels: ``share`` of the diagonal, rounded, at least 1 (46 for 1024 x 2048)."""
    return max(1, round(share * math.hypot(height, width)))


def window_extreme(
    x: Int16[Tensor, "b i j"], larger: Callable[[Tensor, Tensor], Tensor], radius: int
) -> Int16[Tensor, "b h w"]:
    """Return the extreme (``torch.maximum`` or ``minimum``) of every full window of side 2 radius + 1.

    Each side of the map shrinks by 2 radius. Windows grow by doubling, so a side costs log2(2 radius + 1) steps.
    """
    for axis in (1, 2):
        reach = 1
        while reach < 2 * radius + 1:
            step = min(reach, 2 * radius + 1 - reach)
            keep = x.shape[axis] - step
            x = larger(x.narrow(axis, 0, keep), x.narrow(axis, step, keep))
            reach += step
    return x


def near_edge(
    labels: Int16[Tensor, "b h w"], valid: Bool[Tensor, "b h w"], radius: int, *, frame: bool
) -> Bool[Tensor, "b h w"]:
    """Mark the valid pixels with a valid pixel of another class at most ``radius`` away (rows and columns alike).

    ``frame`` says whether the picture's frame is an edge too, as if another class lay outside.
    """
    around = [radius] * 4
    largest = F.pad(labels.masked_fill(~valid, NONE), around, value=OUTSIDE if frame else NONE)
    smallest = F.pad(labels.masked_fill(~valid, OUTSIDE), around, value=OUTSIDE)
    differs = window_extreme(largest, torch.maximum, radius) != window_extreme(smallest, torch.minimum, radius)
    return differs & valid


class BoundaryIoU(LabelMetric):
    """IoU of the pixels within d of their class's edge, d = 2 % of the picture's diagonal (`boundary_width`).

    As published: the region of a class is the mask less its erosion by d steps of a 3x3 window, with zeros around the
    picture, so pixels within d of the frame belong to it. Intersection and union of each class are summed over the data
    set. Ignored pixels: see the head of this module.

    ``compute()`` returns ``"boundary_iou"`` and ``"boundary_iou/NAME"`` in [0, 1], NaN for a class that never occurs.

    Args:
        num_classes: K; `names` and `ignore_index` as for `gald.metrics.iou.LabelMetric`.
        share: d as a share of the diagonal.
    """

    intersection: Tensor
    union: Tensor

    def __init__(
        self, num_classes: int, *, names: Sequence[str] | None = None, ignore_index: int = 255, share: float = 0.02
    ) -> None:
        super().__init__(num_classes, names=names, ignore_index=ignore_index)
        self.share = share
        self.add_counts("intersection", num_classes)
        self.add_counts("union", num_classes)

    def update(self, prediction: Integer[Tensor, "b h w"], target: Integer[Tensor, "b h w"]) -> None:
        """Add a batch of label maps; a value that is no class is a `gald.support.errors.UserError`."""
        prediction, target, valid = self.checked(prediction, target)
        radius = boundary_width(target.shape[1], target.shape[2], self.share)
        ours = near_edge(prediction, valid, radius, frame=True)
        theirs = near_edge(target, valid, radius, frame=True)
        both = self.count(target, ours & theirs & (prediction == target))
        self.intersection += both
        self.union += self.count(prediction, ours) + self.count(target, theirs) - both

    def compute(self) -> dict[str, float]:
        """Return the ratios of everything seen since the last ``reset()``."""
        return self.report("boundary_iou", ratio(self.intersection, self.union))


class Contour(NamedTuple):
    """The pixels on contours: where they are in the flattened batch, and the class of each."""

    place: Int64[Tensor, " n"]
    label: Int64[Tensor, " n"]


def contour(labels: Int16[Tensor, "b h w"], valid: Bool[Tensor, "b h w"]) -> Contour:
    """Return the valid pixels with a valid pixel of another class among their 8 neighbours."""
    place = near_edge(labels, valid, 1, frame=False).flatten().nonzero()[:, 0]
    return Contour(place, labels.flatten()[place].long())


def spread(bits: Int32[Tensor, "b i j"], tolerances: Sequence[int]) -> list[Int32[Tensor, "b h w"]]:
    """Return, for each tolerance t, the bits set anywhere within Euclidean distance t of each pixel.

    ``bits`` has a rim of ``max(tolerances)`` zeros around each picture; the results have not. A disc is a stack of
    horizontal runs: every length of run is made once, for all discs, from the one before and a column on either side.
    """
    reach = max(tolerances)
    height, width = bits.shape[1] - 2 * reach, bits.shape[2] - 2 * reach
    near = [bits.new_zeros(len(bits), height, width) for _ in tolerances]
    for half in range(reach + 1):
        if half:
            bits = bits[..., :-2] | bits[..., 1:-1] | bits[..., 2:]
        runs = bits[..., reach - half : reach - half + width]
        for tolerance, result in zip(tolerances, near, strict=True):
            for row in range(-tolerance, tolerance + 1):
                if math.isqrt(tolerance**2 - row**2) == half:
                    result |= runs[:, reach + row : reach + row + height]
    return near


class BoundaryF(LabelMetric):
    """F-score of the contours at several tolerances: a contour pixel is met if the other map's contour is that near.

    The contour of a class is its pixels with a pixel of another class among their 8 neighbours; the picture's frame is
    no contour (any prediction would meet it). Precision is the share of predicted contour pixels with a true contour
    pixel of the same class at Euclidean distance <= t, recall the converse, F their harmonic mean.

    Counts are summed over the data set before the ratios are taken, unlike the driving literature's mean of F over
    images, with which these numbers must not be compared: that mean gives an image without the class a full score and
    lets four stray pixels weigh as much as a whole street's kerb. The sum does neither, like the matrix behind mIoU.
    Ignored pixels: see the head of this module.

    ``compute()`` returns ``"boundary_f/3px"`` and ``"boundary_f/3px/NAME"`` for each tolerance, in [0, 1]; NaN for a
    class without any contour in truth and prediction.

    Args:
        num_classes: K; `names` and `ignore_index` as for `gald.metrics.iou.LabelMetric`.
        tolerances: whole pixels, from 0. The time grows with their sum, whatever the maps hold.
    """

    met_prediction: Tensor
    met_target: Tensor
    all_prediction: Tensor
    all_target: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        names: Sequence[str] | None = None,
        ignore_index: int = 255,
        tolerances: Sequence[int] = (3, 5, 9, 12),
    ) -> None:
        super().__init__(num_classes, names=names, ignore_index=ignore_index)
        if not tolerances or min(tolerances) < 0:
            raise UserError(f"tolerances {tuple(tolerances)} must be one or more whole numbers of pixels from 0")
        self.tolerances = tuple(tolerances)
        for side in ("prediction", "target"):
            self.add_counts(f"met_{side}", len(self.tolerances), num_classes)
            self.add_counts(f"all_{side}", num_classes)

    def update(self, prediction: Integer[Tensor, "b h w"], target: Integer[Tensor, "b h w"]) -> None:
        """Add a batch of label maps; a value that is no class is a `gald.support.errors.UserError`."""
        prediction, target, valid = self.checked(prediction, target)
        ours, theirs = contour(prediction, valid), contour(target, valid)
        found = torch.stack([torch.bincount(side.label, minlength=self.num_classes) for side in (ours, theirs)])
        self.all_prediction += found[0]
        self.all_target += found[1]
        # a class with a contour in one map only has nothing to meet; the others get a bit each
        for classes in torch.split(found.all(0).nonzero()[:, 0], BITS):
            code = torch.zeros(self.num_classes, dtype=torch.int32, device=target.device)
            code[classes] = 2 ** torch.arange(len(classes), dtype=torch.int32, device=target.device)
            self.met_prediction += self._met(ours, theirs, code, target.shape)
            self.met_target += self._met(theirs, ours, code, target.shape)

    def _met(self, ours: Contour, theirs: Contour, code: Int32[Tensor, " k"], shape: Size) -> Int64[Tensor, "t k"]:
        """Count, for each tolerance and class, our contour pixels that have one of theirs within the tolerance."""
        bits = code.new_zeros(shape.numel())
        bits[theirs.place] = code[theirs.label]
        near = spread(F.pad(bits.reshape(shape), [max(self.tolerances)] * 4), self.tolerances)
        met = [(spread_bits.flatten()[ours.place] & code[ours.label]) != 0 for spread_bits in near]
        return torch.stack([torch.bincount(ours.label[hits], minlength=self.num_classes) for hits in met])

    def compute(self) -> dict[str, float]:
        """Return the scores of everything seen since the last ``reset()``."""
        precision = ratio(self.met_prediction, self.all_prediction)
        recall = ratio(self.met_target, self.all_target)
        scores = 2 * precision * recall / (precision + recall)
        # 0 / 0 is a score of 0 where there are contours, none of them met, or in one map only
        scores = scores.nan_to_num(0.0).masked_fill(self.all_prediction + self.all_target == 0, torch.nan)
        results: dict[str, float] = {}
        for tolerance, values in zip(self.tolerances, scores, strict=True):
            results |= self.report(f"boundary_f/{tolerance}px", values)
        return results
