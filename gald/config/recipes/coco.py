"""Mask R-CNN on COCO 2017, the rows of the GALD paper's Table 3b: box and mask AP on val2017 (minival).

Li et al., BMVC 2019 (arXiv 1909.07229). The authors' detection code was never released; they trained with mmdetection.
We take its usual 8 GPUs; on fewer, give ``--devices`` and ``--micro-batch``: the batch stays, and nothing looks at a
whole batch but the block's own norms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gald.config.settings import DetectionConfig, DetectionDataConfig, DetectorConfig, OptimizerConfig


def coco(**model: Any) -> DetectionConfig:
    """What the rows share; ``model`` are settings of the network.

    The paper: 118287 pictures, the block at the end of the ResNet's last stage. It is silent, and the usual
    schedule has: 12 epochs of 16 pictures a step, rate 0.02, falling after epochs 8 and 11, 500 steps of warm-up,
    weight decay 1e-4, short side 800, at most 1333, frozen norms. mmdetection also keeps the stem and the first
    stage as they were, and leaves out pictures without objects; here they train, and stay.

    The best checkpoint is the one with the highest mAP of boxes at 0.5: for the numbers in print, measure
    ``last.pt``.
    """
    return DetectionConfig(
        model=replace(DetectorConfig(backbone="resnet50", pretrained=True, masks=True), **model),
        data=DetectionDataConfig(name="coco"),
        optim=OptimizerConfig(lr=0.02, schedule="drops", warmup=500, weight_decay=1e-4),
        steps=12 * 118287 // 16,
        batch=16,
        devices=8,
        val_every=7393,
    )


def coco_r50() -> DetectionConfig:
    """Table 3b, Mask R-CNN (baseline), ResNet-50: 38.2 box AP, 34.8 mask AP in print. Not run.

    8 GPUs; measured by ``gald evaluate``. Settings: `coco`.
    """
    return coco(ga="none", ld="none")


def coco_r50_nonlocal() -> DetectionConfig:
    """Table 3b, +NL, ResNet-50: 39.0 box AP, 35.3 mask AP in print. Not run.

    8 GPUs; measured by ``gald evaluate``. Settings: `coco`.
    """
    return coco(ga="nonlocal", ld="none")


def coco_r50_cgnl() -> DetectionConfig:
    """Table 3b, +CGNL, ResNet-50: 38.9 box AP, 35.4 mask AP in print. Not run.

    8 GPUs; measured by ``gald evaluate``. Settings: `coco`.
    """
    return coco(ga="cgnl", ld="none")


def coco_r50_gald() -> DetectionConfig:
    """Table 3b, +GALD, ResNet-50: 39.2 box AP, 35.6 mask AP in print. Not run.

    8 GPUs; measured by ``gald evaluate``. Settings: `coco`.
    """
    return coco()


def coco_r101() -> DetectionConfig:
    """Table 3b, Mask R-CNN (baseline), ResNet-101: 40.2 box AP, 36.3 mask AP in print. Not run.

    8 GPUs; measured by ``gald evaluate``. Settings: `coco`.
    """
    return coco(backbone="resnet101", ga="none", ld="none")


def coco_r101_nonlocal() -> DetectionConfig:
    """Table 3b, +NL, ResNet-101: 40.9 box AP, 37.2 mask AP in print. Not run.

    8 GPUs; measured by ``gald evaluate``. Settings: `coco`.
    """
    return coco(backbone="resnet101", ga="nonlocal", ld="none")


def coco_r101_gald() -> DetectionConfig:
    """Table 3b, +GALD, ResNet-101: 41.1 box AP, 37.8 mask AP in print. Not run.

    8 GPUs; measured by ``gald evaluate``. Settings: `coco`.
    """
    return coco(backbone="resnet101")
