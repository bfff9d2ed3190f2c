"""Object context: Yuan et al., "OCNet: Object Context Network for Scene Parsing", arXiv 1809.00916 (the base form).

Follows the released code where the paper leaves it open: queries and keys are one map, and the projection of what is
gathered is zero at first, so the context is silent until it is learnt.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.aggregation.attention import attend, tokens
from gald.block.layers import after_convolution, conv_norm, inner_width, weight_of


class OCNet(nn.Module):
    """``ReLU(BN(W_f [W softmax(q q^T / sqrt(d)) v(x), x]))`` with ``q = ReLU(BN(W_q x))``, d = C // reduction.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. Time grows with (H W)^2, memory with H W only. The published
    dropout (0.05) belongs to a head and is left out.
    """

    def __init__(self, channels: int, *, reduction: int = 2) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self)
        self.query = conv_norm(channels, width, 1)
        # Without the published biases: they would move the whole map, which the norm of fuse takes off.
        self.value = nn.Conv2d(channels, width, 1, bias=False)
        self.project = nn.Conv2d(width, channels, 1, bias=False)
        self.fuse = conv_norm(2 * channels, channels, 1)
        nn.init.zeros_(self.project.weight)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        query = self.query(x)
        # v is linear, so it may come after the cells are taken.
        key, value = self._cells(query), self.value(self._cells(x).unsqueeze(3))
        gathered = attend(tokens(query), tokens(key), tokens(value), scale=key.shape[1] ** -0.5)
        # Convolutions in a row are one.
        far, near = weight_of(self.fuse).chunk(2, dim=1)
        far = torch.einsum("ocyx,cdyx->odyx", far, self.project.weight)
        gathered = gathered.reshape(x.shape[0], -1, *x.shape[2:])
        return after_convolution(self.fuse, F.conv2d(gathered, far) + F.conv2d(x, near)).to(x.dtype)

    def _cells(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c s"]:
        """What is attended to: here every position."""
        return x.flatten(2)
