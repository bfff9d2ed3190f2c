"""Dual attention: Fu et al., "Dual Attention Network for Scene Segmentation", CVPR 2019, arXiv 1809.02983.

Follows the released code where it departs from the paper: in the channel attention the softmax is of the NEGATIVE
energy, so a channel attends to those least like it, on purpose (the authors, in their issues 9 and 48). The code's
``max(E) - E`` is the same: softmax doesn't see the maximum. Both attentions are added with a learnt weight gamma that
is zero at first.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.aggregation.attention import attend, linear, linear_in_float, tokens
from gald.block.layers import at_least_one, conv_norm, inner_width


class PAM(nn.Module):
    """Position attention: ``x + gamma softmax(query(x) key(x)^T) value(x)``, without a scale.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; queries and keys have ``C // reduction`` channels. Time grows
    with (H W)^2, memory with H W only. It starts as the identity. Under autocast the attention, whose logits have no
    scale, is float32.
    """

    def __init__(self, channels: int, *, reduction: int = 8) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self)
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Conv2d(channels, width, 1, bias=False)  # a bias moves all logits of a query: softmax is blind
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        every = tokens(x)
        query, key = (linear_in_float(conv, every) for conv in (self.query, self.key))
        value = linear(self.value, every).to(query.dtype)
        with torch.autocast(device_type=x.device.type, enabled=False):
            gathered = attend(query, key, value, scale=1.0).reshape_as(x)
        return x + (self.gamma * gathered).to(x.dtype)


class CAM(nn.Module):
    """Channel attention: ``x + gamma softmax(-E) x`` with the energy ``E = x x^T``, C x C, summed over positions.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; gamma is its one parameter. Time grows with H W C^2, memory
    with H W. It starts as the identity. The energy is a sum, not a mean, so the attention gets sharper as the map gets
    larger: of 512 rectified normal random channels, the largest weight of a row is 0.59 on average at 16x16, 0.88 at
    48x48, 0.93 at 97x97. Evaluate at about the size that was trained. Under autocast the energy is float32.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        at_least_one(channels, "CAM needs channels")
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        matrix = x.flatten(2)
        with torch.autocast(device_type=x.device.type, enabled=False):
            wide = matrix.to(torch.promote_types(x.dtype, torch.float32))
            weights = (-wide @ wide.transpose(1, 2)).softmax(2)
        gathered = (weights.to(x.dtype) @ matrix).reshape_as(x)
        return x + (self.gamma * gathered).to(x.dtype)


class DANet(nn.Module):
    """Both attentions side by side, each between two 3x3 convolutions, added.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. The published head also narrows the map before it and
    classifies after it; here the width stays C. The four convolutions make it the largest of all (37 C^2 weights).
    """

    def __init__(self, channels: int, *, reduction: int = 8) -> None:
        super().__init__()
        inner_width(channels, reduction, self)  # a wrong number is told in this name, not in PAM's
        self.by_position = nn.Sequential(
            conv_norm(channels, channels, 3), PAM(channels, reduction=reduction), conv_norm(channels, channels, 3)
        )
        self.by_channel = nn.Sequential(
            conv_norm(channels, channels, 3), CAM(channels), conv_norm(channels, channels, 3)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        y: Tensor = self.by_position(x) + self.by_channel(x)
        return y.to(x.dtype)
