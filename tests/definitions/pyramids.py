"""Pyramids and dilated convolutions, as their papers draw them."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from definitions.definition import Definitions
from definitions.layers import conv_norm_relu
from gald.block.aggregation.aspp import ASPP
from gald.block.aggregation.psp import PSP


def literal_psp(module: PSP, x: Tensor, bins: tuple[int, ...] = (1, 2, 3, 6)) -> Tensor:
    parts = [x]
    for cells, stage in zip(bins, module.stages, strict=True):
        pooled = conv_norm_relu(stage, F.adaptive_avg_pool2d(x, cells))
        parts.append(F.interpolate(pooled, x.shape[2:], mode="bilinear", align_corners=True))
    return conv_norm_relu(module.fuse, torch.cat(parts, dim=1), 3)


def literal_aspp(module: ASPP, x: Tensor, dilations: tuple[int, ...] = (6, 12, 18)) -> Tensor:
    near, *dilated = module.branches
    parts = [conv_norm_relu(near, x)]
    for branch, dilation in zip(dilated, dilations, strict=True):
        parts.append(conv_norm_relu(branch, x, 3, dilation=dilation))
    parts.append(conv_norm_relu(module.image, F.adaptive_avg_pool2d(x, 1)).expand(-1, -1, *x.shape[2:]))
    return conv_norm_relu(module.fuse, torch.cat(parts, dim=1))


DEFINITIONS: Definitions = {
    "psp": (lambda: PSP(16), literal_psp),
    "psp-bins-5-4": (lambda: PSP(16, bins=(5, 4)), partial(literal_psp, bins=(5, 4))),
    "aspp": (lambda: ASPP(16), literal_aspp),
    "aspp-dilations-2-4": (lambda: ASPP(16, dilations=(2, 4)), partial(literal_aspp, dilations=(2, 4))),
}

BLIND: set[str] = set()
