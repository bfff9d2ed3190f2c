"""Global average pooling: Liu et al., "ParseNet: Looking Wider to See Better", 2015, arXiv 1506.04579.

The paper classifies the concatenation directly; here a 1x1 convolution, norm and ReLU bring it back to C channels. The
scales start at 10 from memory of the authors' settings, which were not at hand.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.layers import after_convolution, at_least_one, conv_norm, weight_of


class GAP(nn.Module):
    """Each position's vector beside the picture's mean, both brought to length one and scaled, fused by a 1x1 conv.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; time and memory grow with H W. Each of the 2 C channels has a
    learned scale. In training the norm at the end takes off what all positions of a batch share: with batches of one
    picture (and no synchronised norm) the mean is not heard until evaluation.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        at_least_one(channels, "GAP needs channels")
        self.local_scale = nn.Parameter(torch.full((channels, 1, 1), 10.0))
        self.mean_scale = nn.Parameter(torch.full((channels, 1, 1), 10.0))
        self.fuse = conv_norm(2 * channels, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        near, far = weight_of(self.fuse).chunk(2, dim=1)
        local = F.conv2d(_unit(x) * self.local_scale, near)
        return after_convolution(self.fuse, local + F.conv2d(self.context(x), far)).to(x.dtype)

    def context(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """The scaled mean of each picture, which the paper unpools to every position."""
        return _unit(x.mean((2, 3), keepdim=True)) * self.mean_scale


def _unit(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Vectors of length one over the channels; shorter than one below 1e-3, where the gradient, 1 / length, explodes.

    Taken in float32: in half precision the squares of large features overflow.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    return F.normalize(x.to(wide), dim=1, eps=1e-3).to(x.dtype)
