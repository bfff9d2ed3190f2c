"""CamVid at 360x480 with the settings of the GALD paper: each aggregation, with and without local distribution.

The second paper (IEEE TIP 2021) names CamVid; its settings and number are not at hand, so no row has one. The
schedule is ours: 10 000 steps of 8 (218 epochs of 367 pictures), crops as large as the pictures. Measured on the test
split: ``gald evaluate --split test``.

On a CPU take the light backbone, for any of them: ``--model.backbone tf_efficientnet_lite0 --model.output-stride 16
--model.channels 128 --steps 1900``; camvid_lite0 is tuned for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gald.config.settings import SegmentationConfig, SegmentationDataConfig, SegmenterConfig


def _camvid(**model: Any) -> SegmentationConfig:
    """What the rows share. Rates and losses are the paper's for Cityscapes; bf16, for one GPU of 16 GB, is ours."""
    return SegmentationConfig(
        model=replace(SegmenterConfig(backbone="resnet50s.gluon_in1k", pretrained=True), **model),
        data=SegmentationDataConfig(name="camvid", crop=(360, 480), scale=(0.5, 2.0)),
        steps=10_000,
        precision="bf16-mixed",
    )


def camvid_r50_fcn() -> SegmentationConfig:
    """FCN, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="none", ld="none")


def camvid_r50_ld() -> SegmentationConfig:
    """LD alone, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="none")


def camvid_r50_psp() -> SegmentationConfig:
    """PSP, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="psp", ld="none")


def camvid_r50_psp_ld() -> SegmentationConfig:
    """PSP and LD, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="psp")


def camvid_r50_aspp() -> SegmentationConfig:
    """ASPP, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="aspp", ld="none")


def camvid_r50_aspp_ld() -> SegmentationConfig:
    """ASPP and LD, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="aspp")


def camvid_r50_nonlocal() -> SegmentationConfig:
    """Non-local, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="nonlocal", ld="none")


def camvid_r50_nonlocal_ld() -> SegmentationConfig:
    """Non-local and LD, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="nonlocal")


def camvid_r50_cgnl() -> SegmentationConfig:
    """CGNL, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="cgnl", ld="none")


def camvid_r50_cgnl_ld() -> SegmentationConfig:
    """GALD (CGNL and LD), ResNet-50, on CamVid: published number not at hand. Not run. 1 GPU; measured whole."""
    return _camvid(ga="cgnl")
