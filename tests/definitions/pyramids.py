"""Pyramids and dilated convolutions, as their papers draw them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from definitions.kind import Definitions
from gald.aggregation import ASPP, PSP


def literal_psp(module: PSP, x: Tensor) -> Tensor:
    parts = [x]
    for bins, stage in zip(module.bins, module.stages, strict=True):
        pooled = stage(F.adaptive_avg_pool2d(x, bins))
        parts.append(F.interpolate(pooled, x.shape[2:], mode="bilinear", align_corners=True))
    return module.fuse(torch.cat(parts, dim=1))


def literal_aspp(module: ASPP, x: Tensor) -> Tensor:
    image = module.image(F.adaptive_avg_pool2d(x, 1)).expand(-1, -1, *x.shape[2:])
    return module.fuse(torch.cat([*(branch(x) for branch in module.branches), image], dim=1))


DEFINITIONS: Definitions = {
    "psp": (lambda: PSP(16), literal_psp),
    "psp-bins-5-4": (lambda: PSP(16, bins=(5, 4)), literal_psp),
    "aspp": (lambda: ASPP(16, dilations=(2, 4)), literal_aspp),
}

BLIND: set[str] = set()
