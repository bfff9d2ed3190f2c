"""Semantic segmentation as a task: data, model, losses and metrics from the settings of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from gald.config.settings import RunConfig, SegmentationConfig, SegmenterConfig
from gald.data import registry as datasets
from gald.data.datasets.synthetic import synthetic
from gald.data.segmentation import Label, SegmentationDataset, SegmentationSample
from gald.data.transforms import segmentation as transforms
from gald.engine import checkpoint
from gald.engine.evaluate import Ready
from gald.engine.inference import compose, whole
from gald.engine.losses import segmentation_loss
from gald.engine.outputs import LabelMaps
from gald.metrics import SEGMENTATION_COLUMNS, SEGMENTATION_MEANS, MeanIoU, segmentation_metrics
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError
from gald.support.progress import track
from gald.support.tables import class_table, percent

Batch = dict[str, Any]
LossOf = Callable[[Any, Batch], dict[str, Tensor]]

SCORE = "miou", "mIoU"  # what the best checkpoint is chosen by: its key, and in words
BACKBONE = "backbone."  # how the names of the parameters begin that learn at the plain rate


def data(settings: RunConfig, split: str) -> SegmentationDataset:
    """The pairs of one split."""
    assert isinstance(settings, SegmentationConfig)
    about = settings.data
    if about.name == "synthetic":  # it has no files that would say how large it is
        return synthetic(split=split, size=about.drawn_size, classes=about.drawn_classes)
    return datasets.load_segmentation(about.name, about.root, split)


def augmentation(settings: RunConfig) -> Callable[[SegmentationSample], SegmentationSample]:
    """What is done to a training sample."""
    assert isinstance(settings, SegmentationConfig)
    about = settings.data
    return transforms.train(about.crop, about.scale, about.flip, about.jitter)


def model(settings: SegmenterConfig, num_classes: int) -> Segmenter:
    """The network, with the initial weights that the settings ask for."""
    return Segmenter(
        settings.backbone,
        num_classes,
        ga=settings.ga,
        ld=settings.ld,
        order=settings.order,
        reduce=settings.reduce,
        channels=settings.channels,
        output_stride=settings.output_stride,
        skip=settings.skip,
        aux=settings.aux,
        pretrained=settings.weights or settings.pretrained,
    )


collate = None  # torch's own: pictures and label maps of one size, stacked


def names(batch: Batch) -> list[str]:
    """Names of a batch's pictures."""
    return list(batch["name"])


def losses(settings: SegmentationConfig, pairs: SegmentationDataset, shown: bool = True) -> LossOf:
    """The function from (network, batch) to ``{"loss", "main", "aux"}``."""
    loss = settings.loss
    weight = class_weights(pairs, shown) ** loss.class_balance if loss.class_balance else None
    layout = torch.channels_last if settings.channels_last else torch.contiguous_format

    def of(network: Callable[[Tensor], dict[str, Tensor]], batch: Batch) -> dict[str, Tensor]:
        return segmentation_loss(
            network(batch["image"].contiguous(memory_format=layout)),
            batch["mask"],
            aux_weight=loss.aux_weight,
            ohem=loss.ohem,
            threshold=loss.threshold,
            min_kept=loss.min_kept,
            weight=None if weight is None else weight.to(batch["mask"].device),
        )

    return of


def sound(network: nn.Module, batch: Batch, loss_of: LossOf) -> Tensor:
    """A number that is finite if the network, in evaluation mode, works on the batch: its loss."""
    return loss_of(network, batch)["loss"]


def samples(pairs: SegmentationDataset) -> Ready:
    """The pairs as evaluation takes them."""
    return Ready(pairs, transforms.evaluate())


def views(
    network: nn.Module, *, tile: int | tuple[int, int] | None, overlap: float, scales: Sequence[float], flip: bool
) -> Callable[[Tensor], Tensor]:
    """The network, looking at pictures in tiles, at several scales and mirrored, as asked for."""
    return compose(network, tile=tile, overlap=overlap, scales=scales, flip=flip)


def shown(predict: Callable[[Tensor], Tensor | dict[str, Tensor]]) -> Callable[[Tensor], Tensor]:
    """The function from a picture (3, H, W) to train ids (H, W)."""
    return lambda image: whole(predict, image[None]).argmax(1)[0]


def answers(
    predict: Callable[[Tensor], Tensor | dict[str, Tensor]],
) -> Callable[[SegmentationSample], tuple[Tensor, Tensor]]:
    """The function from a sample to (predicted, true) label map (1, H, W), for the metrics."""
    label_map = shown(predict)
    return lambda sample: (label_map(sample["image"])[None], sample["mask"][None])


def files(labels: Sequence[Label], out: Path, score: float | None) -> LabelMaps:
    """What ``gald predict`` writes."""
    if score is not None:
        raise UserError("--score is for detectors; leave it out for a segmentation network")
    return LabelMaps(labels, out)


def metrics(labels: tuple[Label, ...]) -> Metric:
    """What a validation during training measures; ``gald evaluate`` measures all."""
    return MeanIoU(len(labels), names=[label.name for label in labels])


def all_metrics(pairs: SegmentationDataset) -> MetricCollection:
    """What ``gald evaluate`` measures."""
    return segmentation_metrics(len(pairs.labels), [label.name for label in pairs.labels])


def table(scores: dict[str, float], pairs: SegmentationDataset) -> Table:
    """The scores of `all_metrics`, a row a class."""
    names = [label.name for label in pairs.labels]
    title = f"pixel accuracy {percent(scores['pixel_accuracy'])} %"
    return class_table(scores, names, title, SEGMENTATION_COLUMNS, SEGMENTATION_MEANS)


def class_weights(pairs: SegmentationDataset, shown: bool = True) -> Tensor:
    """Median-frequency weights (Eigen and Fergus, ICCV 2015): median share / share, in the pictures with the class."""
    count, present = torch.zeros(256), torch.zeros(256)
    for i in track(range(len(pairs)), "class weights", len(pairs), shown=shown):
        histogram = torch.bincount(pairs.mask(i).flatten().long(), minlength=256).float()
        count += histogram
        present += (histogram > 0) * (histogram[:255].sum())
    share = count[: len(pairs.labels)] / present[: len(pairs.labels)].clamp(min=1)
    return torch.where(share > 0, share[share > 0].median() / share.clamp(min=1e-9), 1.0)


def load_model(path: Path) -> tuple[Segmenter, checkpoint.Checkpoint]:
    """The segmentation network of a checkpoint, in evaluation mode, and what else the file holds."""
    content = checkpoint.load(path)
    if not isinstance(content.config, SegmentationConfig):
        raise UserError(f"{path} is no segmentation network: its task is {content.config.task!r}")
    return restored(content, path), content


def restored(content: checkpoint.Checkpoint, path: Path) -> Segmenter:
    """The network of what was read from ``path``, in evaluation mode."""
    assert isinstance(content.config, SegmentationConfig)
    network = model(content.config.model.bare(), len(content.labels))
    checkpoint.load_weights(network, content.weights, str(path))
    return network.eval()
