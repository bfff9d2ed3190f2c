"""Faster R-CNN on Pascal VOC, the rows of the GALD paper's Table 3a: mAP at 0.5 on VOC 2007 test.

Li et al., BMVC 2019 (arXiv 1909.07229). The authors' detection code was never released; they trained with mmdetection.
We take its usual 8 GPUs; on fewer, give ``--devices`` and ``--micro-batch``: the batch stays, and nothing looks at a
whole batch but the block's own norms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gald.config.settings import DetectionConfig, DetectionDataConfig, DetectorConfig, OptimizerConfig


def voc(**model: Any) -> DetectionConfig:
    """What the rows share; ``model`` are settings of the network.

    The paper: trained on 07 trainval and 12 trainval, 14 epochs (16551 pictures), SGD 0.9, weight decay 1e-4, the
    block at the end of the ResNet's last stage. It is silent, and mmdetection had for VOC: short side 600, at most
    1000, 16 pictures a step, rate 0.01, frozen norms, 500 steps of warm-up; the rate falls after 2/3 and 11/12 as
    on COCO. mmdetection also keeps the stem and the first stage as they were; here they train.

    ``voc0712`` has no other split, so it validates on the test set: take ``last.pt``, not the best.
    """
    return DetectionConfig(
        model=replace(DetectorConfig(backbone="resnet50", pretrained=True, short=(600,), longest=1000), **model),
        data=DetectionDataConfig(name="voc0712"),
        optim=OptimizerConfig(lr=0.01, schedule="drops", warmup=500, weight_decay=1e-4),
        steps=14 * 16551 // 16,
        batch=16,
        devices=8,
        val_every=2069,
    )


def voc_r50() -> DetectionConfig:
    """Table 3a, Faster R-CNN (baseline), ResNet-50: 80.6 % mAP in print. Not run.

    8 GPUs; measured by ``gald evaluate``, "VOC AP" (the area rule; the paper doesn't say which). Settings: `voc`.
    """
    return voc(ga="none", ld="none")


def voc_r50_nonlocal() -> DetectionConfig:
    """Table 3a, +NL, ResNet-50: 81.3 % mAP in print. Not run.

    8 GPUs; measured by ``gald evaluate``, "VOC AP" (the area rule; the paper doesn't say which). Settings: `voc`.
    """
    return voc(ga="nonlocal", ld="none")


def voc_r50_cgnl() -> DetectionConfig:
    """Table 3a, +CGNL, ResNet-50: 81.1 % mAP in print. Not run.

    8 GPUs; measured by ``gald evaluate``, "VOC AP" (the area rule; the paper doesn't say which). Settings: `voc`.
    """
    return voc(ga="cgnl", ld="none")


def voc_r50_gald() -> DetectionConfig:
    """Table 3a, +GALD, ResNet-50: 81.5 % mAP in print. Not run.

    8 GPUs; measured by ``gald evaluate``, "VOC AP" (the area rule; the paper doesn't say which). Settings: `voc`.
    """
    return voc()


def voc_r101() -> DetectionConfig:
    """Table 3a, Faster R-CNN (baseline), ResNet-101: 80.7 % mAP in print. Not run.

    8 GPUs; measured by ``gald evaluate``, "VOC AP" (the area rule; the paper doesn't say which). Settings: `voc`.
    """
    return voc(backbone="resnet101", ga="none", ld="none")


def voc_r101_nonlocal() -> DetectionConfig:
    """Table 3a, +NL, ResNet-101: 82.3 % mAP in print. Not run.

    8 GPUs; measured by ``gald evaluate``, "VOC AP" (the area rule; the paper doesn't say which). Settings: `voc`.
    """
    return voc(backbone="resnet101", ga="nonlocal", ld="none")


def voc_r101_gald() -> DetectionConfig:
    """Table 3a, +GALD, ResNet-101: 83.0 % mAP in print. Not run.

    8 GPUs; measured by ``gald evaluate``, "VOC AP" (the area rule; the paper doesn't say which). Settings: `voc`.
    """
    return voc(backbone="resnet101")
