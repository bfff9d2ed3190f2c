"""ADE20K, Pascal Context, COCO-Stuff: the second GALD paper's data sets (IEEE TIP 2021, arXiv 2107.13154).

Its abstract names them; its settings and numbers are not at hand. Schedules are therefore the field's, as
mmsegmentation publishes them for a dilated ResNet: batch 16 on 4 GPUs, SGD 0.9, poly 0.9, scales 0.5 to 2 (of the
picture as it is; there of one resized to a short side of 512, or 520 for Pascal Context), no OHEM, auxiliary loss
x 0.4. Its changes of colour and its smallest rate, 1e-4, are left out.
"""

from __future__ import annotations

from dataclasses import replace

from gald.config.settings import (
    LossConfig,
    OptimizerConfig,
    SegmentationConfig,
    SegmentationDataConfig,
    SegmenterConfig,
)


def ade20k_r50() -> SegmentationConfig:
    """GALD on ADE20K, ResNet-50: published number not at hand. Not run.

    160 000 steps of 16, crop 512, rate 0.01, weight decay 5e-4 (mmsegmentation). 4 GPUs; measured whole, single scale.
    """
    return _scenes("ade20k", crop=512, steps=160_000)


def ade20k_r101() -> SegmentationConfig:
    """GALD on ADE20K, ResNet-101: published number not at hand. Not run.

    160 000 steps of 16, crop 512, rate 0.01, weight decay 5e-4 (mmsegmentation). 4 GPUs; measured whole, single scale.
    """
    return _r101(ade20k_r50())


def pascal_context_r50() -> SegmentationConfig:
    """GALD on Pascal Context, 59 classes, ResNet-50: published number not at hand. Not run.

    80 000 steps of 16, crop 480, rate 0.004, weight decay 1e-4 (mmsegmentation). 4 GPUs; measured with
    ``--tile 480 480``. With background: ``--data.name pascal_context60``.
    """
    return replace(
        _scenes("pascal_context59", crop=480, steps=80_000), optim=OptimizerConfig(lr=0.004, weight_decay=1e-4)
    )


def pascal_context_r101() -> SegmentationConfig:
    """GALD on Pascal Context, 59 classes, ResNet-101: published number not at hand. Not run.

    80 000 steps of 16, crop 480, rate 0.004, weight decay 1e-4 (mmsegmentation). 4 GPUs; measured with
    ``--tile 480 480``. With background: ``--data.name pascal_context60``.
    """
    return _r101(pascal_context_r50())


def coco_stuff_r50() -> SegmentationConfig:
    """GALD on COCO-Stuff 10k, ResNet-50: published number not at hand. Not run.

    40 000 steps of 16, crop 512, rate 0.01, weight decay 5e-4 (mmsegmentation). 4 GPUs; measured whole, single scale.
    All 164 thousand pictures: ``--data.name coco_stuff164k --steps 160000``.
    """
    return _scenes("coco_stuff10k", crop=512, steps=40_000)


def coco_stuff_r101() -> SegmentationConfig:
    """GALD on COCO-Stuff 10k, ResNet-101: published number not at hand. Not run.

    40 000 steps of 16, crop 512, rate 0.01, weight decay 5e-4 (mmsegmentation). 4 GPUs; measured whole, single scale.
    All 164 thousand pictures: ``--data.name coco_stuff164k --steps 160000``.
    """
    return _r101(coco_stuff_r50())


def _scenes(name: str, crop: int, steps: int) -> SegmentationConfig:
    return SegmentationConfig(
        model=SegmenterConfig(backbone="resnet50s.gluon_in1k", pretrained=True),
        data=SegmentationDataConfig(name=name, crop=(crop, crop), scale=(0.5, 2.0), workers=4),
        loss=LossConfig(ohem=False),
        steps=steps,
        batch=16,
        devices=4,
        val_every=steps // 10,
    )


def _r101(settings: SegmentationConfig) -> SegmentationConfig:
    return replace(settings, model=replace(settings.model, backbone="resnet101s.gluon_in1k"))
