"""A gate between the aggregated and the local feature: the first of our readings of the journal version's abstract.

Li et al., "Global Aggregation Then Local Distribution for Scene Parsing", IEEE TIP vol. 30, 2021, arXiv 2107.13154:
"models the affinity map between global and local relationship for each pixel adaptively". Read here as the first
paper's mask (BMVC 2019) with three changes: it looks at G and F, not at G alone; it is made at each pixel, not on a
map shrunk by 8; and it weighs what is added to F. The authors' module was not at hand; this is not claimed to be it.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.distribution.relation import Relation
from gald.block.layers import conv_norm, inner_width


class GateDistribution(Relation):
    """``F + A * G``, ``A = sigmoid(psi(concat[G, F]))``, one gate per channel and pixel; alone it is ``x + A * x``.

    psi is three convolutions, each with a norm, ReLU between but not after the last (as in the mask, or A would stay
    above 1/2): 1x1 from 2 C to ``C // reduction`` channels, which compares G with F; depth-wise 3x3, which looks
    around; 1x1 back to C. ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; about 3 C^2 / reduction multiplications
    a pixel and as many parameters. A hook on ``mask`` sees A, ``(B, C, H, W)`` in (0, 1).
    """

    def __init__(self, channels: int, *, reduction: int = 4) -> None:
        super().__init__(channels)
        self.mask = _Gate(channels, inner_width(channels, reduction, self))

    def distributed(self, x: Float[Tensor, "b c h w"], local: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        gate: Tensor = self.mask(x, local)
        return gate * x


class _Gate(nn.Module):
    """A from G (``x``) and F (``local``)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.psi = nn.Sequential(
            conv_norm(2 * channels, width, 1),
            conv_norm(width, width, 3, groups=width),
            conv_norm(width, channels, 1, act=False),
        )

    def forward(self, x: Float[Tensor, "b c h w"], local: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return torch.sigmoid(self.psi(torch.cat([x, local], dim=1))).to(x.dtype)
