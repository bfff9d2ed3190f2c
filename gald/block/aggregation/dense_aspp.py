"""Dense atrous pyramid: Yang et al., "DenseASPP for Semantic Segmentation in Street Scenes", CVPR 2018 (no arXiv id).

Equations from the authors' published description; three departures. Their first ReLU overwrites the map that is
concatenated later, here it does not. Dropout belongs to the head, and the norms keep the momentum of all others here
(0.1 for their 3e-4). The paper classifies the concatenation; here a 1x1 convolution, norm and ReLU bring it to C.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.layers import BatchNorm2d, are_counts, at_least_one, conv_norm
from gald.support.errors import UserError


class DenseASPP(nn.Module):
    """Dilated 3x3 convolutions, each fed with the input and all the results before it; all are fused by a 1x1 conv.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. Each layer squeezes to C // 2 channels and adds C // 8.

    ``dilations`` count positions of the map that comes in. The paper's (3, 6, 12, 18, 24) are for a map at stride 8;
    `gald.GALD` hands it over at half its size, where they reach twice as far on the picture. For the paper's
    distances there pass ``dilations=(2, 3, 6, 9, 12)``, or ``reduce=1`` to the block.

    Not global: a position hears as far as the dilations' sum, 63, and on a larger map nothing beyond. The five are
    multiples of 3, so within that it hears every third row and column only, not its direct neighbours.
    """

    def __init__(self, channels: int, *, dilations: tuple[int, ...] = (3, 6, 12, 18, 24)) -> None:
        super().__init__()
        at_least_one(channels, "DenseASPP needs channels")
        if not are_counts(dilations):
            raise UserError(
                f"DenseASPP needs one or more dilations of 1 or more, as in (3, 6, 12, 18, 24), got {dilations}"
            )
        squeezed, growth = max(1, channels // 2), max(1, channels // 8)
        widths = [channels + growth * i for i in range(len(dilations) + 1)]
        self.layers = nn.ModuleList()
        for dilation, width in zip(dilations, widths, strict=False):
            norm = [BatchNorm2d(width)] if width > channels else []  # the input has a norm of its own behind it
            # No bias: every way from here leads through a norm, which takes it off.
            dilated = nn.Conv2d(squeezed, growth, 3, padding=dilation, dilation=dilation, bias=False)
            self.layers.append(nn.Sequential(*norm, nn.ReLU(), conv_norm(width, squeezed, 1), dilated))
        self.fuse = conv_norm(widths[-1], channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        features = x
        for layer in self.layers:
            features = torch.cat([layer(features), features], dim=1)
        y: Tensor = self.fuse(features)
        return y.to(x.dtype)
