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

from gald.config import Data, Model, Train


def _camvid(**model: Any) -> Train:
    """What the rows share. Rates and losses are the paper's for Cityscapes; bf16, for one GPU of 16 GB, is ours."""
    return Train(
        model=replace(Model(backbone="resnet50s.gluon_in1k", pretrained=True), **model),
        data=Data(name="camvid", crop=(360, 480), scale=(0.5, 2.0)),
        steps=10_000,
        precision="bf16-mixed",
    )


def camvid_r50_fcn() -> Train:
    """FCN, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="none", ld="none")


def camvid_r50_ld() -> Train:
    """LD alone, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="none")


def camvid_r50_psp() -> Train:
    """PSP, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="psp", ld="none")


def camvid_r50_psp_ld() -> Train:
    """PSP and LD, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="psp")


def camvid_r50_aspp() -> Train:
    """ASPP, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="aspp", ld="none")


def camvid_r50_aspp_ld() -> Train:
    """ASPP and LD, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="aspp")


def camvid_r50_nonlocal() -> Train:
    """Non-local, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="nonlocal", ld="none")


def camvid_r50_nonlocal_ld() -> Train:
    """Non-local and LD, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="nonlocal")


def camvid_r50_cgnl() -> Train:
    """CGNL, ResNet-50, on CamVid: no published number. Not run. 1 GPU; measured whole, single scale."""
    return _camvid(ga="cgnl", ld="none")


def camvid_r50_cgnl_ld() -> Train:
    """GALD (CGNL and LD), ResNet-50, on CamVid: published number not at hand. Not run. 1 GPU; measured whole."""
    return _camvid(ga="cgnl")
