"""Non-local attention, concatenation: Wang et al., "Non-local Neural Networks", CVPR 2018, arXiv 1711.07971, 3.2.

``f(x_i, x_j) = ReLU(w [theta(x_i), phi(x_j)])`` is ``ReLU(a_i + b_j)``, a and b one number per position. So i hears the
j with ``b_j > -a_i``, which stand in front once b is sorted, and what they say together,

    sum_j (a_i + b_j) g_j = a_i sum_j g_j + sum_j b_j g_j,

is read from two running sums. That is exact, and takes N log N steps instead of N^2 (N = H W).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gald.block.aggregation.attention import linear, tokens
from gald.block.aggregation.nonlocal_ import embedding, silent_projection
from gald.block.layers import inner_width


class NonLocalConcatenation(nn.Module):
    """Concatenation: ``x + BN(W_z y)`` with ``y_i = sum_j ReLU(w [theta(x_i), phi(x_j)]) g(x_j) / (H W)``.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1, d = C // reduction. Time grows with H W log(H W), memory with
    H W. It starts as the identity. Under autocast the running sums, and what decides who is heard, are float32.
    """

    def __init__(self, channels: int, *, reduction: int = 2) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self)
        self.theta, self.phi, self.g = (embedding(channels, width) for _ in range(3))
        self.pair = embedding(2 * width, 1, bias=False)  # w, for theta's channels and then for phi's
        self.project = silent_projection(width, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wide = torch.promote_types(x.dtype, torch.float32)
        every = tokens(x)
        g = linear(self.g, every)
        with torch.autocast(device_type=x.device.type, enabled=False):
            for_theta, for_phi = self.pair.weight.flatten(1).to(wide).chunk(2, dim=1)
            a, b = _part(for_theta, self.theta, every.to(wide)), _part(for_phi, self.phi, every.to(wide))
            gathered = _gathered(a, b, g.to(wide))
        gathered = gathered.to(self.pair.weight.dtype).transpose(1, 2)
        y: Tensor = self.project(gathered.reshape(x.shape[0], -1, *x.shape[2:]))
        return x + y.to(x.dtype)


def _part(w: Float[Tensor, "1 d"], conv: nn.Conv2d, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n"]:
    """``w conv(x)``, one number per position, as one vector on x: ``conv(x)`` itself isn't needed."""
    folded = w @ conv.weight.flatten(1).to(w.dtype)
    assert conv.bias is not None
    return F.linear(x, folded, w @ conv.bias.to(w.dtype)).squeeze(2)


def _gathered(a: Float[Tensor, "b n"], b: Float[Tensor, "b n"], g: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
    """``sum_j ReLU(a_i + b_j) g_j / n`` for each i."""
    count = _number_above(b, -a)
    b, order = torch.sort(b, dim=1, descending=True)
    g = g.gather(1, order[:, :, None].expand_as(g))
    running = F.pad(torch.cat([g, b[:, :, None] * g], dim=2).cumsum(1), (0, 0, 1, 0))  # entry k: of the first k
    plain, weighted = running.gather(1, count[:, :, None].expand(-1, -1, running.shape[2])).chunk(2, dim=2)
    return (a[:, :, None] * plain + weighted) / g.shape[1]


def _number_above(b: Float[Tensor, "b n"], level: Float[Tensor, "b n"]) -> Int[Tensor, "b n"]:
    """How many of ``b`` are above each level: sorted together, the b in front of it; ``searchsorted`` has no ONNX form.

    An equal may be counted or not: it adds ReLU(0).
    """
    order = torch.sort(torch.cat([level, b], dim=1).detach(), dim=1, descending=True).indices
    passed = (order >= level.shape[1]).cumsum(1)
    return torch.zeros_like(order).scatter(1, order, passed)[:, : level.shape[1]]
