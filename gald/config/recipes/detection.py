"""Detectors: drawn shapes, and small public sets on a CPU."""

from __future__ import annotations

from gald.config.settings import DetectionConfig, DetectionDataConfig, DetectorConfig, OptimizerConfig


def shapes() -> DetectionConfig:
    """A small Mask R-CNN on drawn shapes; minutes on two cores, nothing to download.

    For trying the commands, not for a result: the backbone starts from random weights.
    """
    return DetectionConfig(
        model=DetectorConfig(
            backbone="resnet10t", ga="nonlocal", masks=True, norm="batch", strides=(4, 8, 16), anchors=(12, 24, 48, 96),
            fpn_channels=48, head_channels=128, proposals=200, samples=64, short=(128,), longest=160,
        ),
        data=DetectionDataConfig(name="shapes"),
        optim=OptimizerConfig(lr=0.02, schedule="drops", warmup=50, weight_decay=1e-4, clip=10.0),
        steps=400,
        batch=8,
        val_every=200,
        save_every=50,
    )  # fmt: skip


def bccd_lite0() -> DetectionConfig:
    """EfficientNet-Lite0, non-local and LD under a small pyramid, Faster R-CNN on blood cells (BCCD), for a CPU.

    Reached 91.0 % test mAP at 0.5 (seed 0) on two CPU cores: results/bccd. Give the backbone's ImageNet weights by
    ``--model.weights FILE``, or ``--model.pretrained`` where timm may download.
    """
    return DetectionConfig(
        model=DetectorConfig(
            backbone="tf_efficientnet_lite0", ga="nonlocal", strides=(8, 16, 32), anchors=(32, 64, 128, 256),
            fpn_channels=128, head_channels=512, proposals=300, samples=128,
            short=(320, 352, 384, 416, 448, 384), longest=640,  # the last is what evaluation takes
        ),
        data=DetectionDataConfig(name="voc_folder", jitter=0.2),
        optim=OptimizerConfig(lr=0.01, head_lr=2.0, schedule="drops", warmup=100, weight_decay=1e-4, clip=10.0),
        steps=900,
        batch=8,
        precision="bf16-mixed",
        channels_last=True,
        val_every=300,
        save_every=50,
    )  # fmt: skip


def coco_mini_lite0() -> DetectionConfig:
    """EfficientNet-Lite0, non-local and LD, Mask R-CNN, over-fitted to a few photos in COCO's format, for a CPU.

    For seeing that everything learns: it validates on its own training photos. Reached there box AP50
    94.0, mask AP50 77.3 (seed 0); with AdamW and larger pictures after it 98.3 and 92.5: results/coco_mini.
    """
    return DetectionConfig(
        model=DetectorConfig(
            backbone="tf_efficientnet_lite0", ga="nonlocal", masks=True, strides=(4, 8, 16, 32),
            anchors=(16, 32, 64, 128, 256), fpn_channels=96, fpn_norm=True, head_channels=384, proposals=300,
            samples=96, short=(256,), longest=384,
        ),
        data=DetectionDataConfig(name="coco_folder", val_split="train", flip=0.0),
        optim=OptimizerConfig(lr=0.015, head_lr=2.0, schedule="drops", warmup=100, weight_decay=0.0, clip=10.0),
        steps=2000,
        batch=4,
        precision="bf16-mixed",
        channels_last=True,
        val_every=500,
        save_every=50,
    )  # fmt: skip
