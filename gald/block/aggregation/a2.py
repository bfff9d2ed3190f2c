"""Double attention: Chen et al., "A^2-Nets: Double Attention Networks", NeurIPS 2018, arXiv 1810.11579.

Follows the paper's equations. The batch norm that the authors' own code has after W_o (from memory; it was not at hand)
is not in them, nor here. Many ports, the one beside GALD's released code among them, take the second softmax over
positions; the paper takes it over the descriptors. Over positions what is added shrinks with H W: at 97x97 and 512
channels it is 70 times smaller.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.layers import inner_width
from gald.support.errors import UserError


class A2(nn.Module):
    """Gathers the map into C // reduction descriptors, and hands each position its own mixture of them.

    ``x + W_o G V``, where ``G = A(x) softmax(B(x))^T`` has a descriptor per column, a mean of A over all positions, and
    ``V = softmax(V(x))`` weighs the descriptors at each position. ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1.
    Time and memory grow with H W. A and the descriptors both have C // reduction channels, which must be two or more.
    Under autocast G, a sum over all positions, is float32.
    """

    def __init__(self, channels: int, *, reduction: int = 4) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self)
        if width < 2:
            raise UserError(
                f"A2 needs channels // reduction to be 2 or more, as it mixes that many descriptors, "
                f"got channels={channels} and reduction={reduction}"
            )
        # Softmax over positions doesn't see a bias on B, and one on A moves every position alike, as project's does.
        self.a, self.b = (nn.Conv2d(channels, width, 1, bias=False) for _ in range(2))
        self.v = nn.Conv2d(channels, width, 1)
        self.project = nn.Conv2d(width, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wide = torch.promote_types(x.dtype, torch.float32)
        a, b, v = (conv(x).flatten(2).to(wide) for conv in (self.a, self.b, self.v))
        with torch.autocast(device_type=x.device.type, enabled=False):
            descriptors = a @ b.softmax(2).transpose(1, 2)
            # W_o is folded into the few descriptors and costs nothing per position.
            descriptors = self.project.weight.flatten(1).to(wide) @ descriptors
        bias = self.project.bias
        assert bias is not None
        y: Tensor = (descriptors @ v.softmax(1)).reshape_as(x) + bias[:, None, None]
        return x + y.to(x.dtype)
