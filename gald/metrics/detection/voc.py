"""Average precision as Pascal VOC defines it, for all classes at once.

Everingham, Van Gool, Williams, Winn, Zisserman, "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010, and the
evaluation that the challenge's development kit describes:

- Detections of a class are taken over all pictures, the surest first. Each looks for the true object of its class and
  picture that it overlaps best, whether that is taken or not. Overlap of at least 0.5 on an object that is still free
  is a hit; on one that is taken, or with less overlap, it is false.
- A detection whose best object is difficult is left out: neither hit nor false. Difficult objects are not counted.
- Precision is made monotone (at each recall the best at this recall or higher). Area rule, VOC 2010 and later: the area
  under it. 11-point rule, VOC 2007: its mean at the recalls 0, 0.1, ... 1, and 0 where a recall is not reached.

VOC's pixels are counted inclusively, ``xmax - xmin + 1`` wide. Our boxes are continuous edges, with ``x1 = xmin - 1``
and ``x2 = xmax``, so that ``x2 - x1`` is the same number and so is every overlap.

What the kit leaves open is pinned: equal scores go by ``image_id``, then in the order given; of equal overlaps the
first object is taken; recall is compared with tenths as whole numbers, where 3 of 10 reach 0.3 (as binary fractions
they would not).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int64

from gald.metrics.detection.detection_metric import DetectionMetric, GroundTruths, Predictions
from gald.support.errors import UserError

NOTHING = -1


def overlap(ours: Float64[np.ndarray, "n 4"], theirs: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, " n"]:
    """Return the intersection over union of two lists of boxes, row by row; 0 where a union has no area."""
    corner = np.maximum(ours[:, :2], theirs[:, :2])
    both = np.prod(np.maximum(np.minimum(ours[:, 2:], theirs[:, 2:]) - corner, 0), axis=1)
    areas = [np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1) for boxes in (ours, theirs)]
    union = areas[0] + areas[1] - both
    return np.asarray(np.divide(both, union, out=np.zeros_like(both), where=union > 0))


def candidates(found: Predictions, truths: GroundTruths) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
    """Return all pairs (row of a detection, row of a truth) of one picture and class, sorted by detection."""
    _, place = np.unique(np.concatenate([found.pictures, truths.pictures]), return_inverse=True)
    classes = np.concatenate([found.classes, truths.classes])
    group = place * (classes.max(initial=0) + 1) + classes
    ours, theirs = group[: len(found.pictures)], group[len(found.pictures) :]
    by_group = np.argsort(theirs, kind="stable")
    first, last = (np.searchsorted(theirs[by_group], ours, side) for side in ("left", "right"))
    count = last - first
    detection = np.repeat(np.arange(len(ours)), count)
    step = np.arange(len(detection)) - np.repeat(count.cumsum() - count, count)
    return detection, by_group[first[detection] + step]


def best_truth(found: Predictions, truths: GroundTruths, iou: float) -> Int64[np.ndarray, " n"]:
    """Return, for each detection, the row of the truth that it overlaps best, or ``NOTHING`` below ``iou``."""
    detection, truth = candidates(found, truths)
    shared = overlap(found.boxes[detection], truths.boxes[truth])
    # stable: of equal overlaps the truth that was given first
    order = np.lexsort((-shared, detection))
    rows, first = np.unique(detection[order], return_index=True)
    best = np.full(len(found.scores), NOTHING)
    best[rows] = np.where(shared[order][first] >= iou, truth[order][first], NOTHING)
    return best


def average_precision(hits: Bool[np.ndarray, " n"], objects: int) -> tuple[float, float]:
    """Return average precision by the area rule and by the 11-point rule.

    Args:
        hits: whether each counted detection is a hit, the surest first.
        objects: how many true objects there are; 0 gives NaN.
    """
    if not objects:
        return np.nan, np.nan
    reached = hits.cumsum()
    precision = reached / np.arange(1, len(hits) + 1)
    # a 0 for the recalls that are not reached
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    tenths = np.searchsorted(10 * reached, objects * np.arange(11))
    return float(best[:-1][hits].sum() / objects), float(best[tenths].mean())


class VocAP(DetectionMetric):
    """Average precision of each class at one overlap, by both of VOC's rules, and the mean over classes.

    ``compute()`` returns ``"map"`` and ``"ap/NAME"`` by the area rule, ``"map_11point"`` and ``"ap_11point/NAME"`` by
    the rule of VOC 2007, in [0, 1]. A class without an object that counts is NaN; detections alone do not make it 0.

    Args:
        num_classes: K; `names` as for `gald.metrics.detection.detection_metric.DetectionMetric`.
        iou: the overlap from which a detection meets an object.
    """

    def __init__(self, num_classes: int, *, names: Sequence[str] | None = None, iou: float = 0.5) -> None:
        super().__init__(num_classes, names=names)
        if not 0 < iou <= 1:
            raise UserError(f"iou is {iou}, but an overlap that counts lies above 0 and up to 1")
        self.iou = iou

    def compute(self) -> dict[str, float]:
        """Return the average precisions of everything seen since the last ``reset()``."""
        self.picture_ids()
        found, truths = self.predictions(), self.ground_truths()
        best = best_truth(found, truths, self.iou)
        # the surest first, then by picture; stable, so last in the order given
        order = np.lexsort((found.pictures, -found.scores))
        difficult = np.append(truths.ignored, False)[best]  # the appended one stands at NOTHING
        order = order[~difficult[order]]
        met, first = np.unique(best[order], return_index=True)
        hits = np.zeros(len(order), dtype=bool)
        hits[first[met != NOTHING]] = True
        objects = np.bincount(truths.classes[~truths.ignored], minlength=self.num_classes)
        classes = found.classes[order]
        return self._report([average_precision(hits[classes == k], int(n)) for k, n in enumerate(objects)])

    def _report(self, values: list[tuple[float, float]]) -> dict[str, float]:
        results: dict[str, float] = {}
        for rule, scores in zip(("", "_11point"), zip(*values, strict=True), strict=True):
            present = [score for score in scores if score == score]
            results[f"map{rule}"] = sum(present) / len(present) if present else np.nan
            results |= {f"ap{rule}/{name}": score for name, score in zip(self.names, scores, strict=True)}
        return results
