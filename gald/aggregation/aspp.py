"""Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017, arXiv 1706.05587 (DeepLabv3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.errors import UserError
from gald.layers import conv_norm, weight_of


class ASPP(nn.Module):
    """A 1x1 convolution, three dilated 3x3 ones and the mean of the picture, side by side, fused by a 1x1 convolution.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; each branch has ``C // reduction`` channels.

    ``dilations`` count positions of the map that comes in. The paper gives (6, 12, 18) for a map at stride 16 and
    doubles them at stride 8. :class:`gald.GALD` hands a stride-8 map over at half its size, so stride 16 is the rule
    here; with ``reduce=1`` on a stride-8 map pass ``dilations=(12, 24, 36)``. A dilation as large as the map leaves a
    1x1 convolution.
    """

    def __init__(self, channels: int, *, reduction: int = 2, dilations: tuple[int, ...] = (6, 12, 18)) -> None:
        super().__init__()
        if any(dilation < 1 for dilation in dilations):
            raise UserError(f"ASPP needs dilations of 1 or more, got {dilations}")
        width = max(1, channels // reduction)
        dilated = [conv_norm(channels, width, 3, dilation=dilation) for dilation in dilations]
        self.branches = nn.ModuleList([conv_norm(channels, width, 1), *dilated])
        self.image = conv_norm(channels, width, 1)
        self.fuse = conv_norm(width * (len(dilations) + 2), channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        local = torch.cat([branch(x) for branch in self.branches], dim=1)
        image = self.image(x.mean((2, 3), keepdim=True))
        # A 1x1 convolution is linear: the picture's one vector is fused as one vector and added everywhere.
        weight = weight_of(self.fuse)
        near, far = torch.split(weight, [local.shape[1], image.shape[1]], dim=1)
        y: Tensor = self.fuse[1](F.conv2d(local, near) + F.conv2d(image, far))
        y = self.fuse[2](y)
        return y.to(x.dtype)
