"""COCO's twelve numbers for boxes, masks and mask boundaries, counted by faster-coco-eval.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, arXiv 1405.0312. Boundary AP: Cheng, Girshick,
Dollar, Berg, Kirillov, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021, arXiv
2103.16562: the overlap of two masks is the smaller of their IoU and the IoU of their inner rims, 2 % of the picture's
diagonal wide.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from gald.metrics.detection.detection_metric import DetectionMetric
from gald.support.errors import UserError

SIZES = ("all", "small", "medium", "large")  # in the order of the evaluator
COUNTS = (1, 10, 100)  # detections of a class in a picture that recall may use
IOU_TYPES = {"box": "bbox", "mask": "segm", "boundary": "boundary"}  # our word, the evaluator's


class CocoAP(DetectionMetric):
    """Average precision and recall as COCO counts them, for all classes and for each.

    ``compute()`` returns, with ``box/``, and with masks also ``mask/`` and ``boundary/`` before it:

    - ``ap``: the mean over the overlaps 0.50, 0.55 ... 0.95; ``ap50`` and ``ap75`` at one of them
    - ``ap_small``, ``ap_medium``, ``ap_large``: objects up to 32 x 32 pixels, up to 96 x 96 and larger by the
      annotation's own ``areas``, for boxes too
    - ``ar1``, ``ar10``, ``ar100``: recall with that many detections a picture, the mean over overlaps; ``ar_small``,
      ``ar_medium``, ``ar_large``: with 100, by size
    - each of these for a class, as ``box/ap/NAME``; NaN where no object of that class and size counts

    Objects that are ``ignored`` are COCO's crowds: they may be met by any number of detections, which then count
    neither as hits nor as false, and overlap is measured as the share of the detection that lies inside.

    Args:
        num_classes: K; `names` as for `gald.metrics.detection.detection_metric.DetectionMetric`.
        masks: whether masks are measured as well; ``update`` then takes ``"masks"`` on both sides.

    Raises:
        UserError: faster-coco-eval is not installed.
    """

    def __init__(self, num_classes: int, *, names: Sequence[str] | None = None, masks: bool = False) -> None:
        super().__init__(num_classes, names=names)
        evaluator()  # say so now, not after an hour of predictions
        self.masks = masks
        if masks:
            self.add_column("sizes", torch.int64, 2)
            for side in ("found", "true"):
                self.add_column(f"{side}_runs", torch.uint8)
                self.add_column(f"{side}_lengths", torch.int64)

    def update(self, prediction: Mapping[str, Tensor], target: Mapping[str, Any]) -> None:
        """Add one picture, as `DetectionMetric` says; ``"masks"`` is bool (P, H, W) and (N, H, W).

        Raises:
            UserError: as there; or masks are to be measured and there are none.
        """
        if self.masks and "masks" not in prediction:
            raise UserError("masks are to be measured, but the network predicts boxes only; measure with masks=False")
        super().update(prediction, target)
        if not self.masks:
            return
        size = target["masks"].shape[1:]
        self.add("sizes", torch.tensor([size]))
        for side, values in (("found", prediction), ("true", target)):
            masks = values["masks"]
            assert masks.shape == (len(values["boxes"]), *size), (masks.shape, len(values["boxes"]), size)
            runs = encode(masks)
            self.add(f"{side}_runs", torch.from_numpy(np.frombuffer(b"".join(runs), np.uint8).copy()))
            self.add(f"{side}_lengths", torch.tensor([len(run) for run in runs], dtype=torch.int64))

    def compute(self) -> dict[str, float]:
        """Return the numbers of everything seen since the last ``reset()``."""
        measured = IOU_TYPES if self.masks else {"box": "bbox"}
        results: dict[str, float] = {}
        for name, iou_type in measured.items():
            results |= {f"{name}/{key}": value for key, value in self._measure(iou_type).items()}
        return results

    def _measure(self, iou_type: str) -> dict[str, float]:
        """Run the evaluator once; it changes the annotations it is given, so each type gets its own."""
        library = evaluator()
        images = [{"id": picture} for picture in self.picture_ids().tolist()]
        if self.masks:
            for image, (height, width) in zip(images, self.column("sizes").tolist(), strict=True):
                image |= {"height": height, "width": width}
        about = {"images": images, "categories": [{"id": k, "name": name} for k, name in enumerate(self.names)]}
        truths, found = (
            library.COCO({**about, "annotations": annotations}, print_function=quiet)
            for annotations in (self._true_annotations(iou_type), self._found_annotations(iou_type))
        )
        run = library.COCOeval_faster(truths, found, iou_type, print_function=quiet)
        run.params.maxDets = list(COUNTS)
        run.evaluate()
        run.accumulate()
        return report(run.eval["precision"], run.eval["recall"], self.names)

    def _true_annotations(self, iou_type: str) -> list[dict[str, Any]]:
        truths = self.ground_truths()
        annotations = list(self._annotations("true", iou_type))
        columns = zip(truths.areas.tolist(), truths.ignored.tolist(), strict=True)
        for annotation, (area, ignored) in zip(annotations, columns, strict=True):
            annotation |= {"area": area, "iscrowd": int(ignored)}
        return annotations

    def _found_annotations(self, iou_type: str) -> list[dict[str, Any]]:
        """The predictions; a detection that meets nothing counts in the size of its own box or mask."""
        annotations = list(self._annotations("found", iou_type))
        for annotation, score in zip(annotations, self.predictions().scores.tolist(), strict=True):
            if iou_type == "bbox":
                area = annotation["bbox"][2] * annotation["bbox"][3]
            else:
                area = int(evaluator().mask.area(annotation["segmentation"]))
            annotation |= {"score": score, "area": area, "iscrowd": 0}
        return annotations

    def _annotations(self, side: str, iou_type: str) -> Iterator[dict[str, Any]]:
        """What truths and predictions have in common; ids start at 1, since 0 means "no match" to the evaluator."""
        columns = (self.column(f"{side}_{name}").tolist() for name in ("pictures", "classes", "boxes"))
        shapes = self._segments(side) if iou_type != "bbox" else None
        for index, (picture, label, (x1, y1, x2, y2)) in enumerate(zip(*columns, strict=True)):
            shape = {"segmentation": next(shapes)} if shapes else {"bbox": [x1, y1, x2 - x1, y2 - y1]}
            yield {"id": index + 1, "image_id": picture, "category_id": label, **shape}

    def _segments(self, side: str) -> Iterator[dict[str, Any]]:
        """The masks of one side as the evaluator's run lengths."""
        size = dict(zip(self.column("pictures").tolist(), self.column("sizes").tolist(), strict=True))
        runs: UInt8[np.ndarray, " n"] = self.column(f"{side}_runs")
        ends = self.column(f"{side}_lengths").cumsum()
        pieces = np.split(runs, ends[:-1]) if len(ends) else []
        for picture, piece in zip(self.column(f"{side}_pictures").tolist(), pieces, strict=True):
            yield {"size": size[picture], "counts": piece.tobytes()}


def evaluator() -> Any:
    """Return the module faster_coco_eval.

    Raises:
        UserError: it is not installed.
    """
    try:
        return import_module("faster_coco_eval")
    except ImportError:
        raise UserError(
            "COCO's numbers need faster-coco-eval, which is not installed; run pip install 'gald[detection]'"
        ) from None


def encode(masks: Bool[Tensor, "n h w"]) -> list[bytes]:
    """Return the compressed run lengths of each mask: some hundred bytes in place of a picture."""
    pixels = masks.cpu().numpy().astype(np.uint8)
    encoder = evaluator().mask.encode
    return [encoder(np.asfortranarray(mask))["counts"] for mask in pixels]


def quiet(*text: object) -> None:
    """Print nothing: the evaluator tells each of its steps to a function."""


def mean(values: np.ndarray) -> float:
    """Return the mean of what was measured; -1 is the evaluator's mark of nothing to measure, NaN is ours."""
    measured = values[values > -1]
    return float(measured.mean()) if measured.size else float("nan")


def report(precision: np.ndarray, recall: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Return the twelve numbers over all classes, then for each.

    Args:
        precision: (overlap, recall, class, size, count).
        recall: (overlap, class, size, count).
        names: of the classes.
    """
    shares = {"ap": precision[..., 0, -1], "ap50": precision[:1, ..., 0, -1], "ap75": precision[5:6, ..., 0, -1]}
    shares |= {f"ap_{size}": precision[..., 1 + place, -1] for place, size in enumerate(SIZES[1:])}
    shares |= {f"ar{count}": recall[..., 0, place] for place, count in enumerate(COUNTS)}
    shares |= {f"ar_{size}": recall[..., 1 + place, -1] for place, size in enumerate(SIZES[1:])}
    results = {key: mean(values) for key, values in shares.items()}
    for place, name in enumerate(names):
        results |= {f"{key}/{name}": mean(values[..., place]) for key, values in shares.items()}
    return results
