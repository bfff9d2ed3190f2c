"""Object detection and instance segmentation as a task: data, model, losses and metrics from the settings of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.utilities.rank_zero import rank_zero_only
from rich.table import Table
from torch import Tensor, nn
from torchmetrics import MetricCollection

from gald.config.settings import DetectionConfig, DetectorConfig, RunConfig
from gald.data import registry as datasets
from gald.data.detection import DetectionDataset, DetectionSample
from gald.data.segmentation import Label
from gald.data.transforms import detection as object_transforms
from gald.engine import checkpoint
from gald.engine.evaluate import Ready
from gald.engine.outputs import FoundObjects
from gald.metrics.detection import VocAP, detection_columns, detection_means, detection_metrics
from gald.models.detection import FasterDetector, Sealed, faster_rcnn, load_torchvision, mask_rcnn
from gald.support.errors import UserError
from gald.support.tables import class_table, percent

Batch = list[DetectionSample]
LossOf = Callable[[Any, Batch], dict[str, Tensor]]

SCORE = "voc/map", "mAP@0.5"  # what the best checkpoint is chosen by: its key, and in words
BACKBONE = "backbone.body."  # how the names of the parameters begin that learn at the plain rate


def data(settings: RunConfig, split: str) -> DetectionDataset:
    """The pictures with objects of one split, without their masks where no network wants them."""
    assert isinstance(settings, DetectionConfig)
    objects = datasets.load_detection(settings.data.name, settings.data.root, split)
    return objects if settings.model.masks else objects.boxes_only()


def augmentation(settings: RunConfig) -> Callable[[DetectionSample], DetectionSample]:
    """What is done to a training sample."""
    assert isinstance(settings, DetectionConfig)
    model, about = settings.model, settings.data
    return object_transforms.train(model.short, model.longest, about.flip, about.jitter)


def collate(samples: list[DetectionSample]) -> Batch:
    """A batch is the list of its samples: pictures differ in size, and in how many objects they have."""
    return samples


def names(batch: Batch) -> list[str]:
    """Names of a batch's pictures."""
    return [sample["name"] for sample in batch]


def model(settings: DetectorConfig, num_classes: int) -> FasterDetector:
    """The detector, with the initial weights that the settings ask for."""
    build = mask_rcnn if settings.masks else faster_rcnn
    network = build(
        settings.backbone,
        num_classes,
        ga=settings.ga,
        ld=settings.ld,
        order=settings.order,
        reduce=settings.reduce,
        pretrained=settings.weights or (settings.pretrained and settings.torchvision is None),
        norm=settings.norm,
        strides=settings.strides,
        fpn_channels=settings.fpn_channels,
        fpn_norm=settings.fpn_norm,
        head_channels=settings.head_channels,
        anchors=settings.anchors,
        short=settings.short[-1],
        longest=settings.longest,
        resize=False,  # the augmentation does, in the loading processes
        proposals=settings.proposals,
        samples=settings.samples,
    )
    if settings.torchvision is not None:
        _tell(settings.torchvision, load_torchvision(network, settings.torchvision))
    return network


@rank_zero_only
def _tell(source: Path, untouched: Sequence[str]) -> None:
    """Say which parts of a network start anew: a surprise where classes were miscounted by one."""
    parts = dict.fromkeys(".".join(name.split(".")[:2]) for name in untouched)
    if parts:
        print(f"new, not of {source}: {', '.join(parts)} (predictors, where the number of classes is another)")


def losses(settings: DetectionConfig, objects: DetectionDataset, shown: bool = True) -> LossOf:
    """The function from (network, batch) to ``"loss"`` and the detector's own: proposals and boxes, classes, masks.

    Raises:
        UserError: masks to be trained on data that have none; a frozen backbone without weights that are worth keeping.
    """
    model = settings.model
    if model.masks and not objects.has_masks:
        raise UserError(f"the data set {settings.data.name!r} has no masks in its files; set --model.no-masks")
    if model.norm == "frozen" and not (model.pretrained or model.weights or model.torchvision or settings.init):
        raise UserError(
            "model.norm is frozen, and the backbone has nothing to freeze: give --model.pretrained, --model.weights "
            "FILE or --init CHECKPOINT, or train the norms, too (--model.norm batch)"
        )

    def of(network: Callable[..., dict[str, Tensor]], batch: Batch) -> dict[str, Tensor]:
        terms = network([sample["image"] for sample in batch], Sealed([target(sample) for sample in batch]))
        terms = {name.removeprefix("loss_"): value for name, value in terms.items()}
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    return of


def target(sample: DetectionSample) -> dict[str, Tensor]:
    """A sample's objects as torchvision wants them: class 0 is the background; what is to be ignored is left out."""
    kept = ~sample["ignored"]
    masks = {"masks": sample["masks"][kept].to(torch.uint8)} if "masks" in sample else {}
    return {"boxes": sample["boxes"][kept], "labels": sample["classes"][kept] + 1, **masks}


def sound(network: nn.Module, batch: Batch, loss_of: LossOf) -> Tensor:
    """A number that is finite if the network, in evaluation mode, works on the batch: the sum of the pyramid's maps.

    (Its answers would not tell: torchvision drops a box whose score is not a number.)
    """
    bare: Any = getattr(network, "module", network)
    images, _ = bare.transform([sample["image"] for sample in batch])
    return torch.stack([each.float().abs().mean() for each in bare.backbone(images.tensors).values()]).sum()


def samples(objects: DetectionDataset) -> Ready:
    """The pictures and objects as evaluation takes them."""
    return Ready(objects, object_transforms.evaluate())


def views(
    network: nn.Module, *, tile: int | tuple[int, int] | None, overlap: float, scales: Sequence[float], flip: bool
) -> nn.Module:
    """The detector, its masks bool because large photos would fill the memory; other views are not for it."""
    if tile is not None or flip or tuple(scales) != (1.0,):
        raise UserError("--tile, --scales and --flip are for segmentation networks; leave them out for a detector")
    bare: Any = network
    bare.transform.binary_masks = True
    return network


def shown(predict: Callable[..., Any]) -> Callable[[Tensor], dict[str, Tensor]]:
    """The function from a picture (3, H, W) to its objects: boxes, scores, classes from 0, masks bool (N, H, W)."""

    def of(image: Tensor) -> dict[str, Tensor]:
        output = predict([image])[0]
        found = {"boxes": output["boxes"], "scores": output["scores"], "classes": output["labels"] - 1}
        if "masks" not in output:
            return found
        masks = output["masks"][:, 0]
        return {**found, "masks": masks if masks.dtype == torch.bool else masks >= 0.5}

    return of


def answers(predict: Callable[..., Any]) -> Callable[[DetectionSample], tuple[dict[str, Tensor], DetectionSample]]:
    """The function from a sample to (what is found, what is there), for the metrics."""
    objects = shown(predict)
    return lambda sample: (objects(sample["image"]), sample)


def files(labels: Sequence[Label], out: Path, score: float | None) -> FoundObjects:
    """What ``gald predict`` writes; objects of at least this ``score`` (or 0.5) are drawn."""
    return FoundObjects(labels, out, 0.5 if score is None else score)


def metrics(labels: tuple[Label, ...]) -> MetricCollection:
    """What a validation during training measures; ``gald evaluate`` measures all."""
    names = [label.name for label in labels]
    return MetricCollection({"ap": VocAP(len(names), names=names)}, prefix="voc/", compute_groups=False)


def all_metrics(objects: DetectionDataset) -> MetricCollection:
    """What ``gald evaluate`` measures."""
    return detection_metrics(len(objects.labels), [label.name for label in objects.labels], objects.has_masks)


def table(scores: dict[str, float], objects: DetectionDataset) -> Table:
    """The scores of `all_metrics`, a row a class."""
    names, masks = [label.name for label in objects.labels], objects.has_masks
    title = (
        f"VOC 2007's 11-point mAP {percent(scores['voc/map_11point'])} %, COCO's AR {percent(scores['box/ar100'])} %"
    )
    return class_table(scores, names, title, detection_columns(masks), detection_means(masks))


def restored(content: checkpoint.Checkpoint, path: Path) -> FasterDetector:
    """The detector of what was read from ``path``, in evaluation mode."""
    assert isinstance(content.config, DetectionConfig)
    network = model(content.config.model.bare(), len(content.labels))
    checkpoint.load_weights(network, content.weights, str(path))
    network.eval()
    return network
