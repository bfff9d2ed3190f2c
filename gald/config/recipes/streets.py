"""Drawn streets, and CamVid for a CPU."""

from __future__ import annotations

from gald.config.settings import (
    LossConfig,
    OptimizerConfig,
    SegmentationConfig,
    SegmentationDataConfig,
    SegmenterConfig,
)


def synthetic() -> SegmentationConfig:
    """A small network on the drawn street scenes; minutes on two cores, nothing to download.

    For trying the commands, not for a result: the backbone starts from random weights.
    """
    return SegmentationConfig(
        model=SegmenterConfig(backbone="resnet10t", channels=64, output_stride=8),
        data=SegmentationDataConfig(name="synthetic", crop=(96, 192), scale=(0.75, 1.5)),
        loss=LossConfig(min_kept=20_000),
        optim=OptimizerConfig(lr=0.05),
        steps=300,
        batch=8,
        val_every=100,
        save_every=50,
    )


def camvid_lite0() -> SegmentationConfig:
    """EfficientNet-Lite0 with PSP and LD on CamVid at 360x480, for a CPU: stride 16, a stride-4 skip, bf16.

    Reached 62.7 % test mIoU (whole picture, single scale, seed 0) on two CPU cores: results/camvid-lite0.
    Give the backbone's ImageNet weights by ``--model.weights FILE``, or ``--model.pretrained`` where timm may download.
    """
    return SegmentationConfig(
        model=SegmenterConfig(backbone="tf_efficientnet_lite0", ga="psp", channels=128, output_stride=16, skip=True),
        data=SegmentationDataConfig(name="camvid", crop=(288, 384), scale=(0.75, 1.75), jitter=0.3),
        loss=LossConfig(threshold=0.7, min_kept=100_000, class_balance=0.5),
        optim=OptimizerConfig(lr=0.03, head_lr=2.0, weight_decay=1e-4, warmup=50),
        steps=1900,
        batch=8,
        precision="bf16-mixed",
        channels_last=True,
        val_every=475,
        save_every=50,
    )
