"""Non-local attention: Wang et al., "Non-local Neural Networks", CVPR 2018, arXiv 1711.07971.

Each position gathers from all: ``x + BN(W_z y)`` with ``y_i = sum_j f(x_i, x_j) g(x_j) / C(x)``. The paper's four
pairwise functions f (its 3.2) are four classes. None stores the matrix between positions. All are ``(B, C, H, W) ->
(B, C, H, W)`` for any size from 1x1, have an inner width of ``C // reduction``, and start as the identity, since the
weight of their norm is zero at first (the paper, 4.1).

Three departures. The division by sqrt(d) in `NonLocal` is an option of the authors' code, not in the paper's
equation. Keys and values are all positions: the paper's sub-sampling (3.3) is left out. And W_z has torch's first
weights, where the embeddings have the paper's small ones.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gald.block.aggregation.attention import attend, linear, tokens
from gald.block.layers import conv_norm, inner_width, weight_of


class NonLocal(nn.Module):
    """Embedded Gaussian: ``x + BN(W_z softmax(theta(x) phi(x)^T / sqrt(d)) g(x))``, d = C // reduction.

    Time grows with (H W)^2, memory with H W only.
    """

    def __init__(self, channels: int, *, reduction: int = 2) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self)
        # Of the paper's biases only theta's is left: one on phi moves a whole row of logits, which softmax doesn't see,
        # and one on g moves the whole map, which the norm takes off.
        self.theta = _embedding(channels, width)
        self.phi, self.g = (_embedding(channels, width, bias=False) for _ in range(2))
        self.project = _silent_projection(width, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        every = tokens(x)
        theta, phi, g = (linear(conv, every) for conv in (self.theta, self.phi, self.g))
        gathered = attend(theta, phi, g, scale=theta.shape[2] ** -0.5)
        y: Tensor = self.project(gathered.reshape(x.shape[0], -1, *x.shape[2:]))
        return x + y.to(x.dtype)


class NonLocalGaussian(nn.Module):
    """Gaussian: ``x + BN(W_z softmax(x x^T) g(x))``, no embedding and no scale.

    Without a scale the size of the features decides. Of 512 normal random ones at 49x49 a position's own weight is 1.00
    on average with a deviation of 1 (rectified ones too), 0.97 with 0.15, 0.07 with 0.1: features as a norm leaves them
    make it a 1x1 convolution. Time grows with (H W)^2, memory with H W only.
    """

    def __init__(self, channels: int, *, reduction: int = 2) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self)
        self.g = _embedding(channels, width, bias=False)  # a bias would move the whole map, which the norm takes off
        self.project = _silent_projection(width, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        # g is linear, so it may come after the gathering. Before it, values half as wide as the keys would cost as
        # much: the fused kernels want both alike.
        every = tokens(x)
        gathered = attend(every, every, every, scale=1.0).reshape_as(x)
        y: Tensor = self.project(self.g(gathered))
        return x + y.to(x.dtype)


class NonLocalDot(nn.Module):
    """Dot product: ``x + BN(W_z theta(x) phi(x)^T g(x) / (H W))``, evaluated from the right.

    ``phi(x)^T g(x)`` is a matrix between channels, so time and memory grow with H W. What comes out is cubic in x:
    from that matrix on everything is float32 under autocast, where fp16 would overflow.
    """

    def __init__(self, channels: int, *, reduction: int = 2) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self)
        self.theta, self.phi, self.g = (_embedding(channels, width) for _ in range(3))
        self.project = _silent_projection(width, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wide = torch.promote_types(x.dtype, torch.float32)
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))
        with torch.autocast(device_type=x.device.type, enabled=False):
            between = g.to(wide) @ phi.to(wide).transpose(1, 2) / phi.shape[2]
            # W_z is folded into the small matrix and costs nothing per position.
            weight = weight_of(self.project).flatten(1)
            y: Tensor = (weight.to(wide) @ between @ theta.to(wide)).reshape_as(x)
        y = self.project[1](y.to(weight.dtype))
        return x + y.to(x.dtype)


class NonLocalConcatenation(nn.Module):
    """Concatenation: ``x + BN(W_z y)`` with ``y_i = sum_j ReLU(w [theta(x_i), phi(x_j)]) g(x_j) / (H W)``.

    The pairwise function is ``ReLU(a_i + b_j)``, a and b one number per position. So i hears the j with ``b_j > -a_i``,
    which stand in front once b is sorted, and what they say together,

        sum_j (a_i + b_j) g_j = a_i sum_j g_j + sum_j b_j g_j,

    is read from two running sums. That is exact, and takes N log N steps instead of N^2 (N = H W). Memory grows with
    H W. Under autocast the running sums, and what decides who is heard, are float32.
    """

    def __init__(self, channels: int, *, reduction: int = 2) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self)
        self.theta, self.phi, self.g = (_embedding(channels, width) for _ in range(3))
        self.pair = _embedding(2 * width, 1, bias=False)  # w, for theta's channels and then for phi's
        self.project = _silent_projection(width, channels)

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


def _embedding(channels: int, width: int, *, bias: bool = True) -> nn.Conv2d:
    """A 1x1 convolution with the paper's small first weights (deviation 0.01)."""
    conv = nn.Conv2d(channels, width, 1, bias=bias)
    nn.init.normal_(conv.weight, std=0.01)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def _silent_projection(width: int, channels: int) -> nn.Sequential:
    """W_z and its norm, whose weight is zero at first."""
    project = conv_norm(width, channels, 1, act=False)
    nn.init.zeros_(project.get_parameter("1.weight"))
    return project


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
