"""Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017, arXiv 1706.05587 (DeepLabv3).

Two departures, both of width: the branches have C // reduction channels and the fusion brings them back to C, where the
paper has 256 for each.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.layers import after_convolution, are_counts, conv_norm, inner_width, weight_of
from gald.support.errors import UserError


class ASPP(nn.Module):
    """A 1x1 convolution, three dilated 3x3 ones and the mean of the picture, side by side, fused by a 1x1 convolution.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; each branch has ``C // reduction`` channels.

    ``dilations`` count positions of the map that comes in. The paper gives (6, 12, 18) for a map at stride 16 and
    doubles them at stride 8. `gald.GALD` hands a stride-8 map over at half its size, so stride 16 is the rule
    here; with ``reduce=1`` on a stride-8 map pass ``dilations=(12, 24, 36)``. A dilation as large as the map leaves a
    1x1 convolution.

    In training the norm at the end takes off what all positions of a batch share: with batches of one picture (and no
    synchronised norm) the branch of the picture's mean is not heard until evaluation, and doesn't learn.
    """

    def __init__(self, channels: int, *, reduction: int = 2, dilations: tuple[int, ...] = (6, 12, 18)) -> None:
        super().__init__()
        if not are_counts(dilations):
            raise UserError(f"ASPP needs one or more dilations of 1 or more, as in (6, 12, 18), got {dilations}")
        width = inner_width(channels, reduction, self)
        dilated = [conv_norm(channels, width, 3, dilation=dilation) for dilation in dilations]
        self.branches = nn.ModuleList([conv_norm(channels, width, 1), *dilated])
        self.image = conv_norm(channels, width, 1)
        self.fuse = conv_norm(width * (len(dilations) + 2), channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        local = torch.cat([branch(x) for branch in self.branches], dim=1)
        image = self.image(x.mean((2, 3), keepdim=True))
        near, far = torch.split(weight_of(self.fuse), [local.shape[1], image.shape[1]], dim=1)
        return after_convolution(self.fuse, F.conv2d(local, near) + F.conv2d(image, far)).to(x.dtype)
