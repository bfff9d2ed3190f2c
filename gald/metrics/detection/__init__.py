"""Metrics on boxes and masks, each a ``torchmetrics.Metric`` that takes one picture at a time.

- ``VocAP(num_classes, names=)``: Pascal VOC's average precision; needs nothing beyond this package
- ``CocoAP(num_classes, names=, masks=)``: COCO's twelve numbers for boxes, masks and mask boundaries; needs the extra
  ``gald[detection]``
- ``update(prediction, target)``: see `gald.metrics.detection.detection_metric.DetectionMetric`
- ``compute()``: a flat dict of floats in [0, 1]; a class without a counted object is NaN and stands in no mean
"""

from collections.abc import Sequence

from torchmetrics import Metric, MetricCollection

from gald.metrics.detection.coco import CocoAP
from gald.metrics.detection.voc import VocAP

__all__ = ["CocoAP", "VocAP", "detection_metrics"]


def detection_metrics(num_classes: int, names: Sequence[str] | None = None, masks: bool = False) -> MetricCollection:
    """Return both metrics as one object with ``update``, ``compute``, ``reset`` and ``to(device)``.

    ``compute()`` returns one flat dict: ``"voc/map"``, ``"voc/map_11point"``, ``"voc/ap/NAME"``, ``"box/ap"``,
    ``"box/ap50/NAME"`` ..., and with ``masks`` the same for ``"mask/..."`` and ``"boundary/..."``.

    Raises:
        UserError: faster-coco-eval is not installed; `VocAP` alone does without.
    """
    metrics: dict[str, Metric | MetricCollection] = {
        "voc": MetricCollection({"ap": VocAP(num_classes, names=names)}, prefix="voc/", compute_groups=False),
        "coco": CocoAP(num_classes, names=names, masks=masks),
    }
    # no compute groups: the two have states of the same names, not of the same meaning
    return MetricCollection(metrics, compute_groups=False)
