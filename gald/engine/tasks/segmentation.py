"""Semantic segmentation as a task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from rich.table import Table
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from gald.config.inference import ViewConfig
from gald.config.settings import SegmentationConfig
from gald.data import registry as datasets
from gald.data.datasets.synthetic import synthetic
from gald.data.labels import Label
from gald.data.sampling import Stream, TransformedDataset
from gald.data.segmentation import SegmentationDataset, SegmentationSample
from gald.data.transforms import segmentation as transforms
from gald.engine.inference import compose
from gald.engine.losses import segmentation_loss
from gald.engine.outputs import LabelMapWriter
from gald.engine.tasks.task import PLAIN, ComputeLoss
from gald.metrics import MeanIoU, segmentation_metrics
from gald.metrics.columns import SEGMENTATION_COLUMNS, means
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError
from gald.support.progress import track
from gald.support.tables import class_table, percent


@dataclass(frozen=True)
class SegmentationTask:
    """Keeps the contract of `gald.engine.tasks.task.Task`; a prediction is a map of train ids (H, W)."""

    config: SegmentationConfig

    score: ClassVar[str] = "miou"
    score_title: ClassVar[str] = "mIoU"
    backbone_prefix: ClassVar[str] = "backbone."

    def build_dataset(self, split: str) -> SegmentationDataset:
        data = self.config.data
        if data.name == "synthetic":  # it has no files that would say how large it is
            return synthetic(split=split, size=data.drawn_size, classes=data.drawn_classes)
        return datasets.load_segmentation(data.name, data.root, split)

    def training_samples(self, dataset: SegmentationDataset) -> Stream[SegmentationSample]:
        """Crops, resized and mirrored at random."""
        data = self.config.data
        augmentation = transforms.train(data.crop, data.scale, data.flip, data.jitter)
        return Stream(dataset, augmentation, self.config.seed)

    def evaluation_samples(self, dataset: SegmentationDataset) -> TransformedDataset[SegmentationSample]:
        """Whole pictures at their own size."""
        return TransformedDataset(dataset, transforms.evaluate())

    def build_model(self, num_classes: int, *, initial_weights: bool = True) -> Segmenter:
        config = self.config.model if initial_weights else self.config.model.bare()
        return Segmenter.from_config(config, num_classes)

    def build_loss(
        self, dataset: SegmentationDataset, *, show_progress: bool = True
    ) -> ComputeLoss[SegmentationSample]:
        """The function from (network, batch) to ``{"loss", "main", "aux"}``."""
        loss = self.config.loss
        weight = class_weights(dataset, show_progress) ** loss.class_balance if loss.class_balance else None
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format

        def compute_loss(model: nn.Module, batch: list[SegmentationSample]) -> dict[str, Tensor]:
            images, masks = (torch.stack([sample[key] for sample in batch]) for key in ("image", "mask"))
            return segmentation_loss(
                model(images.contiguous(memory_format=layout)),
                masks,
                aux_weight=loss.aux_weight,
                ohem=loss.ohem,
                threshold=loss.threshold,
                min_kept=loss.min_kept,
                weight=None if weight is None else weight.to(masks.device),
            )

        return compute_loss

    def activation(self, model: nn.Module, batch: list[SegmentationSample]) -> Tensor:
        """The mean size of the logits."""
        logits: Tensor = model(torch.stack([sample["image"] for sample in batch]))["out"]
        return logits.float().abs().mean()

    def build_predictor(self, model: nn.Module, views: ViewConfig = PLAIN) -> Callable[[Tensor], Tensor]:
        logits_of = compose(model, **vars(views))
        return lambda image: logits_of(image[None]).argmax(1)[0]

    def build_metrics(self, dataset: SegmentationDataset, *, complete: bool) -> Metric | MetricCollection:
        """Mean IoU; ``complete`` those of boundaries and sizes, too."""
        names = [label.name for label in dataset.labels]
        return segmentation_metrics(len(names), names) if complete else MeanIoU(len(names), names=names)

    def update_metrics(
        self, metrics: Metric | MetricCollection, prediction: Tensor, sample: SegmentationSample
    ) -> None:
        metrics.update(prediction[None], sample["mask"][None])

    def score_table(self, scores: dict[str, float], dataset: SegmentationDataset) -> Table:
        return segmentation_table(scores, [label.name for label in dataset.labels])

    def build_writer(self, labels: Sequence[Label], out: Path, score: float | None) -> LabelMapWriter:
        if score is not None:
            raise UserError("--score is for detectors; leave it out for a segmentation network")
        return LabelMapWriter(labels, out)


def segmentation_table(scores: dict[str, float], names: Sequence[str]) -> Table:
    """The scores of `gald.metrics.segmentation_metrics`, a row a class."""
    title = f"pixel accuracy {percent(scores['pixel_accuracy'])} %"
    return class_table(scores, names, title, SEGMENTATION_COLUMNS, means(SEGMENTATION_COLUMNS))


def class_weights(pairs: SegmentationDataset, show_progress: bool = True) -> Tensor:
    """Median-frequency weights (Eigen and Fergus, ICCV 2015): median share / share, in the pictures with the class."""
    count, present = torch.zeros(256), torch.zeros(256)
    for i in track(range(len(pairs)), "class weights", len(pairs), shown=show_progress):
        histogram = torch.bincount(pairs.mask(i).flatten().long(), minlength=256).float()
        count += histogram
        present += (histogram > 0) * (histogram[:255].sum())
    share = count[: len(pairs.labels)] / present[: len(pairs.labels)].clamp(min=1)
    return torch.where(share > 0, share[share > 0].median() / share.clamp(min=1e-9), 1.0)
