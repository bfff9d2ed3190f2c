"""Non-local attention, embedded Gaussian: Wang et al., "Non-local Neural Networks", CVPR 2018, arXiv 1711.07971."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.layers import conv_norm


class NonLocal(nn.Module):
    """Each position gathers from all: ``x + BN(W_z softmax(theta(x) phi(x)^T / sqrt(d)) g(x))``, d = C // reduction.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. Time grows with (H W)^2, memory with H W only: the matrix
    between positions is never stored. The last norm's weight is zero at first (the paper, 4.1): it starts as identity.
    """

    def __init__(self, channels: int, *, reduction: int = 2) -> None:
        super().__init__()
        width = max(1, channels // reduction)
        # Of the paper's biases only theta's is left: one on phi moves a whole row of logits, which softmax doesn't see,
        # and one on g moves the whole map, which the norm takes off.
        self.theta = nn.Conv2d(channels, width, 1)
        self.phi, self.g = (nn.Conv2d(channels, width, 1, bias=False) for _ in range(2))
        self.project = conv_norm(width, channels, 1, act=False)
        for conv in (self.theta, self.phi, self.g):
            nn.init.normal_(conv.weight, std=0.01)
        nn.init.zeros_(self.theta.get_parameter("bias"))
        nn.init.zeros_(self.project.get_parameter("1.weight"))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        batch, _, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        # F.linear writes (B, 1, N, d) with d last. A permuted view would have stride N there, and attention would
        # fall back to the form that stores N x N without a word (measured at 97x97: 787 MB and twice the time).
        query, key, value = (
            F.linear(tokens, conv.weight.flatten(1), conv.bias).unsqueeze(1) for conv in (self.theta, self.phi, self.g)
        )
        context = F.scaled_dot_product_attention(query, key, value, scale=query.shape[-1] ** -0.5)
        context = context.squeeze(1).transpose(1, 2).reshape(batch, -1, height, width)
        y: Tensor = self.project(context)
        return x + y.to(x.dtype)
