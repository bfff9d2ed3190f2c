"""Semantic segmentation as a task: data, model, losses and metrics from the settings of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from gald import checkpoint
from gald import data as datasets
from gald.config import Data, Loss, Model
from gald.data import transforms
from gald.data.pairs import Label, Pairs, Sample
from gald.data.synthetic import synthetic
from gald.errors import UserError
from gald.losses import segmentation_loss
from gald.metrics import MeanIoU
from gald.progress import track
from gald.segmentation import Segmenter

Batch = dict[str, Any]


def data(settings: Data, split: str) -> Pairs:
    """The pairs of one split."""
    if settings.name == "synthetic":  # it has no files that would say how large it is
        return synthetic(split=split, size=settings.drawn_size, classes=settings.drawn_classes)
    return datasets.load(settings.name, settings.root, split)


def augmentation(settings: Data) -> Callable[[Sample], Sample]:
    """What is done to a training sample."""
    return transforms.train(settings.crop, settings.scale, settings.flip, settings.jitter)


def model(settings: Model, num_classes: int) -> Segmenter:
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


def losses(settings: Loss, pairs: Pairs, shown: bool = True) -> Callable[[dict[str, Tensor], Batch], dict[str, Tensor]]:
    """The function from (network's output, batch) to ``{"loss", "main", "aux"}``."""
    weight = class_weights(pairs, shown) ** settings.class_balance if settings.class_balance else None

    def of(output: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        return segmentation_loss(
            output,
            batch["mask"],
            aux_weight=settings.aux_weight,
            ohem=settings.ohem,
            threshold=settings.threshold,
            min_kept=settings.min_kept,
            weight=None if weight is None else weight.to(batch["mask"].device),
        )

    return of


def metrics(labels: tuple[Label, ...]) -> Metric:
    """What a validation during training measures; ``gald evaluate`` measures all."""
    return MeanIoU(len(labels), names=[label.name for label in labels])


def class_weights(pairs: Pairs, shown: bool = True) -> Tensor:
    """Median-frequency weights (Eigen and Fergus, ICCV 2015): median share / share, in the pictures with the class."""
    count, present = torch.zeros(256), torch.zeros(256)
    for i in track(range(len(pairs)), "class weights", len(pairs), shown=shown):
        histogram = torch.bincount(pairs.mask(i).flatten().long(), minlength=256).float()
        count += histogram
        present += (histogram > 0) * (histogram[:255].sum())
    share = count[: len(pairs.labels)] / present[: len(pairs.labels)].clamp(min=1)
    return torch.where(share > 0, share[share > 0].median() / share.clamp(min=1e-9), 1.0)


def load(path: str | Path) -> Segmenter:
    """The network of a checkpoint (best.safetensors or last.pt), ready to use.

    >>> network = gald.load("runs/camvid/best.safetensors")  # doctest: +SKIP
    >>> network(images)["out"].argmax(1)  # images (B, 3, H, W), uint8 RGB; out (B, H, W) train ids  # doctest: +SKIP
    """
    return load_model(Path(path))[0]


def load_model(path: Path) -> tuple[Segmenter, checkpoint.Checkpoint]:
    """The network of a checkpoint, in evaluation mode, and what else the file holds."""
    content = checkpoint.load(path)
    bare = replace(content.config.model, pretrained=False, weights=None)  # the checkpoint has all weights itself
    network = model(bare, len(content.labels))
    checkpoint.load_weights(network, content.weights, str(path))
    return network.eval(), content


def check_classes(content: checkpoint.Checkpoint, pairs: Pairs, path: Path) -> None:
    """Refuse to measure a network on a data set with other classes."""
    trained, here = [label.name for label in content.labels], [label.name for label in pairs.labels]
    if len(trained) != len(here):
        raise UserError(
            f"{path} has {len(trained)} classes and the data set has {len(here)}; use the data set it was trained on"
        )
    different = next((pair for pair in zip(trained, here, strict=True) if pair[0] != pair[1]), None)
    if different:
        raise UserError(
            f"{path} has the class {different[0]!r} where the data set has {different[1]!r}; bring them in line"
        )
