"""Object detection and instance segmentation as a task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import torch
from lightning_fabric.utilities.rank_zero import rank_zero_only
from rich.table import Table
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from gald.config.inference import ViewConfig
from gald.config.network import DetectorConfig
from gald.config.settings import DetectionConfig
from gald.data import registry as datasets
from gald.data.detection import DetectionDataset, DetectionSample
from gald.data.labels import Label
from gald.data.sampling import Stream
from gald.data.transforms import detection as transforms
from gald.engine.outputs import DetectionWriter
from gald.engine.tasks.task import PLAIN, ComputeLoss
from gald.metrics.columns import BOX_COLUMNS, MASK_COLUMNS, means
from gald.metrics.detection import VocAP, detection_metrics
from gald.models.detection import FasterDetector, UncastTargets, from_config, load_torchvision
from gald.support.errors import UserError
from gald.support.tables import class_table, percent

Objects = dict[str, Tensor]


@dataclass(frozen=True)
class DetectionTask:
    """Keeps the contract of `gald.engine.tasks.task.Task`.

    A prediction is a picture's objects: boxes (N, 4), scores (N,), classes from 0 (N,), masks bool (N, H, W) if any.
    """

    config: DetectionConfig

    score: ClassVar[str] = "voc/map"
    score_title: ClassVar[str] = "mAP@0.5"
    backbone_prefix: ClassVar[str] = "backbone.body."

    def build_dataset(self, split: str) -> DetectionDataset:
        """The pictures with objects of one split, without their masks where no network wants them."""
        data = self.config.data
        dataset = datasets.load_detection(data.name, data.root, split)
        return dataset if self.config.model.masks else dataset.without_masks()

    def training_samples(self, dataset: DetectionDataset) -> Stream[DetectionSample]:
        """Pictures of a random size, mirrored at random."""
        model, data = self.config.model, self.config.data
        augmentation = transforms.train(model.short, model.longest, data.flip, data.jitter)
        return Stream(dataset, augmentation, self.config.seed)

    def evaluation_samples(self, dataset: DetectionDataset) -> DetectionDataset:
        """The pictures as they are: the network resizes."""
        return dataset

    def build_model(self, num_classes: int, *, initial_weights: bool = True) -> FasterDetector:
        return build_detector(self.config.model if initial_weights else self.config.model.bare(), num_classes)

    def build_loss(self, dataset: DetectionDataset, *, show_progress: bool = True) -> ComputeLoss[DetectionSample]:
        """The function from (network, batch) to ``"loss"`` and its terms: proposals and boxes, classes, masks.

        Raises:
            UserError: masks to be trained on data without; a frozen backbone without weights that are worth keeping.
        """
        model, data = self.config.model, self.config.data
        if model.masks and not dataset.has_masks:
            raise UserError(f"the data set {data.name!r} has no masks in its files; set --model.no-masks")
        if model.norm == "frozen" and not (model.pretrained or model.weights or model.torchvision or self.config.init):
            raise UserError(
                "--model.norm is frozen, and the backbone has nothing to freeze: give --model.pretrained, "
                "--model.weights FILE or --init CHECKPOINT, or train the norms, too (--model.norm batch)"
            )
        return compute_loss

    def activation(self, model: nn.Module, batch: list[DetectionSample]) -> Tensor:
        """The sum of the mean sizes of the pyramid's maps.

        (The detections would not tell: torchvision drops a box whose score is not a number.)
        """
        detector = _bare(model)
        images, _ = detector.transform([sample["image"] for sample in batch])
        features: dict[str, Tensor] = detector.backbone(images.tensors)
        return torch.stack([feature.float().abs().mean() for feature in features.values()]).sum()

    def build_predictor(self, model: nn.Module, views: ViewConfig = PLAIN) -> Callable[[Tensor], Objects]:
        if views.tile is not None or views.flip or views.scales != (1.0,):
            raise UserError("--tile, --scales and --flip are for segmentation networks; leave them out for a detector")
        _bare(model).transform.binary_masks = True  # masks of 32 bits a pixel would fill the memory with large photos
        return lambda image: objects_of(model([image])[0])

    def build_metrics(self, dataset: DetectionDataset, *, complete: bool) -> Metric | MetricCollection:
        """VOC's AP; ``complete`` COCO's, too, of masks and their boundaries if there are any."""
        names = [label.name for label in dataset.labels]
        if complete:
            return detection_metrics(len(names), names, dataset.has_masks)
        return MetricCollection({"ap": VocAP(len(names), names=names)}, prefix="voc/", compute_groups=False)

    def update_metrics(self, metrics: Metric | MetricCollection, prediction: Objects, sample: DetectionSample) -> None:
        metrics.update(prediction, sample)

    def score_table(self, scores: dict[str, float], dataset: DetectionDataset) -> Table:
        names = [label.name for label in dataset.labels]
        columns = MASK_COLUMNS if dataset.has_masks else BOX_COLUMNS
        voc, recall = percent(scores["voc/map_11point"]), percent(scores["box/ar100"])
        title = f"VOC 2007's 11-point mAP {voc} %, COCO's AR {recall} %"
        return class_table(scores, names, title, columns, means(columns))

    def build_writer(self, labels: Sequence[Label], out: Path, score: float | None) -> DetectionWriter:
        return DetectionWriter(labels, out, 0.5 if score is None else score)


def build_detector(config: DetectorConfig, num_classes: int) -> FasterDetector:
    """The detector of these settings, with the initial weights that they ask for."""
    detector = from_config(config, num_classes, resize=False)  # the augmentation does, in the loading processes
    if config.torchvision is not None:
        _tell(config.torchvision, load_torchvision(detector, config.torchvision))
    return detector


@rank_zero_only
def _tell(source: Path, untouched: Sequence[str]) -> None:
    """Say which parts of a network start anew: a surprise where classes were miscounted by one."""
    parts = dict.fromkeys(".".join(name.split(".")[:2]) for name in untouched)
    if parts:
        print(f"new, not of {source}: {', '.join(parts)} (predictors, where the number of classes is another)")


def compute_loss(model: nn.Module, batch: list[DetectionSample]) -> dict[str, Tensor]:
    """The terms of torchvision's detector, and their sum as ``"loss"``."""
    targets = UncastTargets([torchvision_target(sample) for sample in batch])
    losses: dict[str, Tensor] = model([sample["image"] for sample in batch], targets)
    terms = {name.removeprefix("loss_"): value for name, value in losses.items()}
    return {"loss": torch.stack(list(terms.values())).sum(), **terms}


def torchvision_target(sample: DetectionSample) -> dict[str, Tensor]:
    """A sample's objects as torchvision wants them: class 0 is the background; what is to be ignored is left out."""
    kept = ~sample["ignored"]
    masks = {"masks": sample["masks"][kept].to(torch.uint8)} if "masks" in sample else {}
    return {"boxes": sample["boxes"][kept], "labels": sample["classes"][kept] + 1, **masks}


def objects_of(output: dict[str, Tensor]) -> Objects:
    """What torchvision's detector gives for a picture, with classes from 0 and masks bool (N, H, W)."""
    found = {"boxes": output["boxes"], "scores": output["scores"], "classes": output["labels"] - 1}
    if "masks" not in output:
        return found
    masks = output["masks"][:, 0]
    return {**found, "masks": masks if masks.dtype == torch.bool else masks >= 0.5}


def _bare(model: nn.Module) -> FasterDetector:
    """The detector itself, out of what training wraps around it."""
    return cast(FasterDetector, getattr(model, "module", model))
