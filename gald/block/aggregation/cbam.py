"""Convolutional block attention: Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, arXiv 1807.06521.

The norm after the 7x7 convolution is in the authors' code, not in the paper's equation (3); it is kept.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.layers import conv_norm, inner_width


class CBAM(nn.Module):
    """A gate for each channel from the picture's mean and maximum, then one for each position from the 7x7 around it.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; time and memory grow with H W. Global is the first gate alone.
    The inner width of its perceptron is ``C // reduction``, but not below 8: if the one unit of a narrow one falls
    silent behind its ReLU, so does the gate.
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self, least=8)
        self.channel = nn.Sequential(nn.Conv2d(channels, width, 1), nn.ReLU(), nn.Conv2d(width, channels, 1))
        self.position = conv_norm(2, 1, 7, act=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        logits: Tensor = self.channel(x.mean((2, 3), keepdim=True)) + self.channel(x.amax((2, 3), keepdim=True))
        y: Tensor = x * logits.sigmoid().to(x.dtype)
        summary = torch.cat([y.amax(1, keepdim=True), y.mean(1, keepdim=True)], dim=1)
        gate: Tensor = self.position(summary).sigmoid()
        return y * gate.to(x.dtype)
