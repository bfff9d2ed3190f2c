"""Channel attention block: Yu et al., "Learning a Discriminative Feature Network for Semantic Segmentation" (DFN),
CVPR 2018, arXiv 1804.09337, section 3.1.

The paper's block joins two stages of a decoder, a high and a low one. With one map there is no stage above, so the
high input is what DFN itself puts on top of its last stage: the picture's mean through a convolution, norm and ReLU.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.layers import conv_norm, inner_width


class CAB(nn.Module):
    """``x * a + high``: high from the picture's mean m, a = sigmoid(W_2 ReLU(W_1 [m ; high])), one weight a channel.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. All but the last line works on one vector per picture. The
    inner width of the gate is ``C // reduction``.
    """

    def __init__(self, channels: int, *, reduction: int = 1) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self)
        self.top = conv_norm(channels, channels, 1)
        self.gate = nn.Sequential(
            nn.Conv2d(2 * channels, width, 1), nn.ReLU(), nn.Conv2d(width, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        mean = x.mean((2, 3), keepdim=True)
        high: Tensor = self.top(mean).to(x.dtype)
        gate: Tensor = self.gate(torch.cat([mean, high], dim=1))  # the mean of a vector laid everywhere is the vector
        return x * gate.to(x.dtype) + high
