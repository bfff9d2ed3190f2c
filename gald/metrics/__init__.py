"""Metrics on label maps, each a ``torchmetrics.Metric`` of three calls.

- ``Metric(num_classes, *, names=None, ignore_index=255, ...)``
- ``update(prediction, target)``: integer maps (B, H, W) of classes 0 .. K-1; the truth may also hold ``ignore_index``
- ``compute()``: a flat dict of floats in [0, 1], such as ``"miou"`` and ``"iou/road"``

Counts are summed over the data set and over processes before any ratio is taken. A class that does not occur is NaN
("n/a") and stands in no mean. A new metric is a file here and a line in `segmentation_metrics`.
`InstanceIoU` stands apart: it needs an instance map as well, and counts in label ids.
"""

from collections.abc import Sequence

from torchmetrics import Metric, MetricCollection

from gald.metrics.boundary import BoundaryF, BoundaryIoU
from gald.metrics.instance_iou import InstanceIoU
from gald.metrics.iou import LabelMetric, MeanIoU
from gald.metrics.size import SizeIoU

__all__ = ["BoundaryF", "BoundaryIoU", "InstanceIoU", "LabelMetric", "MeanIoU", "SizeIoU", "segmentation_metrics"]


def segmentation_metrics(
    num_classes: int, names: Sequence[str] | None = None, *, ignore_index: int = 255
) -> MetricCollection:
    """Return all metrics of a segmentation as one object with ``update``, ``compute``, ``reset`` and ``to(device)``.

    ``compute()`` returns the metrics' results in one flat dict: ``"miou"``, ``"boundary_iou"``, ``"boundary_f/3px"``,
    ``"iou_small"``, and each of them per class.
    """
    metrics: dict[str, Metric | MetricCollection] = {
        "iou": MeanIoU(num_classes, names=names, ignore_index=ignore_index),
        "boundary_iou": BoundaryIoU(num_classes, names=names, ignore_index=ignore_index),
        "boundary_f": BoundaryF(num_classes, names=names, ignore_index=ignore_index),
        "size": SizeIoU(num_classes, names=names, ignore_index=ignore_index),
    }
    # no compute groups: they would merge metrics whose states happen to be equal after the first batch
    return MetricCollection(metrics, compute_groups=False)
