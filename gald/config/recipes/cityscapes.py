"""Cityscapes, the validation rows of the GALD paper: its Tables 1a to 1e (BMVC 2019, arXiv 1909.07229).

Each is measured by its "single-scale crop test", ``gald evaluate --tile 769 769``, and was trained on 8 GPUs; on fewer,
give ``--devices`` and ``--micro-batch``. Published numbers stand as printed, slips of arithmetic included.
docs/protocols.md says where each setting is from, and has all rows in a table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gald.config.network import SegmenterConfig
from gald.config.recipes.recipe import Recipe
from gald.config.settings import SegmentationConfig, SegmentationDataConfig

BACKBONES = {50: "resnet50s.gluon_in1k", 101: "resnet101s.gluon_in1k"}
SHARED = """The paper: SGD 0.9, rate 0.01, poly 0.9, 50 000 steps of 8 pictures, crop 769, OHEM, dilated ResNet "as
PSPNet". It is silent, and the authors' released code has: weight decay 5e-4, auxiliary loss x 0.4, OHEM's 0.7 and
100 000, the ResNet with three convolutions in its stem (timm's resnet50s), float32. PSPNet has: scales 0.5 to 2,
mirrored."""


def paper(depth: int = 50, **model: Any) -> SegmentationConfig:
    """What all rows have, as `SHARED` says, on a ResNet of this ``depth``; ``model`` are settings of the network."""
    gald = SegmenterConfig(backbone=BACKBONES[depth], ga="cgnl", ld="mask", pretrained=True)
    return SegmentationConfig(
        model=replace(gald, **model),
        data=SegmentationDataConfig(name="cityscapes", crop=(769, 769), scale=(0.5, 2.0)),
        devices=8,
        val_every=5000,
    )


def _row(place: str, miou: float, remark: str = "", depth: int = 50, **model: Any) -> Recipe:
    """A row of the paper's tables: where it stands and what it is, its mIoU in print, its settings of the network."""
    return Recipe(
        paper(depth, **model),
        f"{place}, ResNet-{depth}: {miou} % val mIoU in print. Not run.\n\n"
        f"{remark}\n8 GPUs; measured with ``--tile 769 769``. {SHARED}",
    )


RECIPES = {
    "cityscapes_r50_fcn": _row(
        "Tables 1a, 1b, 1c, 1d and 1e, FCN (baseline)", 73.7,
        "The head's two convolutions stay, without block.", ga="none", ld="none",
    ),
    "cityscapes_r50_aspp": _row("Table 1a, +ASPP", 77.2, ga="aspp", ld="none"),
    "cityscapes_r50_nonlocal": _row("Table 1a, +NL", 78.0, ga="nonlocal", ld="none"),
    "cityscapes_r50_psp": _row("Table 1a, +PSP", 76.2, ga="psp", ld="none"),
    "cityscapes_r50_cgnl": _row("Tables 1a and 1e, +CGNL", 78.2, ga="cgnl", ld="none"),
    "cityscapes_r50_ld": _row("Table 1b, +LD alone", 77.5, ga="none"),
    "cityscapes_r50_psp_ld": _row("Tables 1b and 1d, +PSP+LD", 78.9, ga="psp"),
    "cityscapes_r50_aspp_ld": _row(
        "Table 1b, +ASPP+LD", 79.5,
        "Its gain over the FCN is printed as 5.4; by the printed mIoU it is 5.8.", ga="aspp",
    ),
    "cityscapes_r50_nonlocal_ld": _row(
        "Table 1b, +NL+LD", 79.2,
        "Its gain over the FCN is printed as 5.3; by the printed mIoU it is 5.5.", ga="nonlocal",
    ),
    "cityscapes_r50_cgnl_ld": _row(
        "Tables 1b, 1c, 1d and 1e, GALD (CGNL, then LD)", 79.6,
        "Somebody who ran the authors' code reported 78.07 (its issue 7).",
    ),
    "cityscapes_r50_parallel": _row(
        "Table 1c, +Parallel (CGNL and LD side by side, concatenated)", 77.5, order="parallel"
    ),
    "cityscapes_r50_ldga": _row("Table 1c, +LDGA (LD, then CGNL)", 78.1, order="ld-ga"),
    "cityscapes_r50_cgnl_ld_bilinear": _row(
        "Table 1e, GALD with masks from the map shrunk bilinearly", 77.6, ld="bilinear"
    ),
    "cityscapes_r50_cgnl_ld_average": _row("Table 1e, GALD with masks from average pooling", 76.5, ld="average"),
    "cityscapes_r101_fcn": _row("Table 1d, FCN (baseline)", 75.3, depth=101, ga="none", ld="none"),
    "cityscapes_r101_cgnl": _row("Table 1d, +CGNL", 79.7, depth=101, ld="none"),
    "cityscapes_r101_psp": _row(
        "Table 1d, +PSP", 78.6,
        "Its gain is printed as 4.9, which is over ResNet-50's FCN; over ResNet-101's own it is 3.3.",
        depth=101, ga="psp", ld="none",
    ),
}  # fmt: skip
