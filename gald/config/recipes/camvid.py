"""CamVid at 360x480 with the settings of the GALD paper: each aggregation, with and without local distribution.

The second paper (IEEE TIP 2021) names CamVid; its settings and number are not at hand, so no row has one. The
schedule is ours: 10 000 steps of 8 (218 epochs of 367 pictures), crops as large as the pictures. Measured on the test
split: ``gald evaluate --split test``.

On a CPU take the light backbone, for any of them: ``--model.backbone tf_efficientnet_lite0 --model.output-stride 16
--model.channels 128 --steps 1900``; camvid_lite0 is tuned for it.
"""

from __future__ import annotations

from gald.config.network import SegmenterConfig
from gald.config.recipes.cityscapes import BACKBONES
from gald.config.recipes.recipe import Recipe
from gald.config.settings import SegmentationConfig, SegmentationDataConfig


def _camvid(ga: str, ld: str) -> SegmentationConfig:
    """What the rows share. Rates and losses are the paper's for Cityscapes; bf16, for one GPU of 16 GB, is ours."""
    return SegmentationConfig(
        model=SegmenterConfig(backbone=BACKBONES[50], ga=ga, ld=ld, pretrained=True),
        data=SegmentationDataConfig(name="camvid", crop=(360, 480), scale=(0.5, 2.0)),
        steps=10_000,
        precision="bf16-mixed",
    )


_UNKNOWN = "no published number. Not run. 1 GPU; measured whole, single scale."
# recipe: the block in words, aggregation, distribution, what is known
ROWS = {
    "fcn": ("FCN", "none", "none", _UNKNOWN),
    "ld": ("LD alone", "none", "mask", _UNKNOWN),
    "psp": ("PSP", "psp", "none", _UNKNOWN),
    "psp_ld": ("PSP and LD", "psp", "mask", _UNKNOWN),
    "aspp": ("ASPP", "aspp", "none", _UNKNOWN),
    "aspp_ld": ("ASPP and LD", "aspp", "mask", _UNKNOWN),
    "nonlocal": ("Non-local", "nonlocal", "none", _UNKNOWN),
    "nonlocal_ld": ("Non-local and LD", "nonlocal", "mask", _UNKNOWN),
    "cgnl": ("CGNL", "cgnl", "none", _UNKNOWN),
    "cgnl_ld": (
        "GALD (CGNL and LD)", "cgnl", "mask", "published number not at hand. Not run. 1 GPU; measured whole."
    ),
}  # fmt: skip
RECIPES = {
    f"camvid_r50_{name}": Recipe(_camvid(ga, ld), f"{block}, ResNet-50, on CamVid: {known}")
    for name, (block, ga, ld, known) in ROWS.items()
}
