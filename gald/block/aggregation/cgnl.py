"""Compact generalized non-local: Yue et al., "Compact Generalized Non-local Network", NeurIPS 2018, arXiv 1810.13125.

The affinity between all positions AND channels of a group, vec(t) vec(p)^T vec(g), is evaluated from the right: <p, g>
is one number s per picture and group, and what is gathered is s t. This is the global aggregation of GALD's paper.

What it really does, so that nobody is surprised: the convolution z and the group norm after it have the same groups, so
GN(z(s t)) = sign(s) (u - mean u) / sqrt(var u + eps / s^2), u = z(t). The size of s cancels, up to eps; its sign is
left. The global knowledge is then the mean and variance of the group norm, p and g get almost no gradient, and the
output jumps where s crosses zero. With ``norm="batch"`` nothing cancels; `CGNLRBF`, the Gaussian kernel, depends
on its gamma.
"""

from math import exp, factorial, gcd

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.layers import BatchNorm2d, at_least_one, inner_width
from gald.support.errors import UserError


class CGNL(nn.Module):
    """Dot-product kernel: ``x + norm(z(s t))`` with ``s = <p, g>`` per picture and group.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. C must be divisible by ``groups``; the inner width is
    ``C // reduction`` rounded down to whole groups. ``norm`` is "group" (the paper's) or "batch" (keeps the size of s).
    Under autocast s and the norm are computed in float32: s reaches 1e5 on a 96x96 map of plain features.
    """

    def __init__(self, channels: int, *, reduction: int = 2, groups: int = 8, norm: str = "group") -> None:
        super().__init__()
        inner = inner_width(channels, reduction, self)
        _check_groups(channels, groups, type(self).__name__)
        if norm not in ("group", "batch"):
            raise UserError(f"CGNL's norm is 'group' or 'batch', got {norm!r}")
        width = max(1, inner // groups) * groups
        self.groups = groups
        self.t, self.p, self.g = (nn.Conv2d(channels, width, 1, bias=False) for _ in range(3))
        self.z = nn.Conv2d(width, channels, 1, groups=groups, bias=False)
        self.norm = nn.GroupNorm(groups, channels) if norm == "group" else BatchNorm2d(channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wide = torch.promote_types(x.dtype, torch.float32)
        p, g, u = self.p(x), self.g(x), self.z(self.t(x))  # z is linear: z(s t) = s z(t)
        with torch.autocast(device_type=x.device.type, enabled=False):
            y = self._normalised(u.to(wide), self._products(p.to(wide), g.to(wide)))
        return x + y.to(x.dtype)

    def _products(self, p: Float[Tensor, "b d h w"], g: Float[Tensor, "b d h w"]) -> Float[Tensor, "b g"]:
        """<p, g> over the channels and positions of each group."""
        return torch.einsum("bdhw,bdhw->bd", p, g).reshape(p.shape[0], self.groups, -1).sum(2)

    def _normalised(self, u: Float[Tensor, "b c h w"], s: Float[Tensor, "b g"]) -> Float[Tensor, "b c h w"]:
        """``norm(s u)``."""
        if isinstance(self.norm, nn.GroupNorm):
            return _scaled_group_norm(u, s, self.norm)
        y: Tensor = self.norm(_on_channels(s, u) * u)
        return y


class CGNLRBF(CGNL):
    """Gaussian kernel exp(-gamma |p - t|^2) by its Taylor series: gathers ``sum_o c_o <p^o, g> t^o``, o = 0..order.

    Powers are elementwise, ``c_o = exp(-2 gamma) (2 gamma)^o / o!`` (the paper, 3.3). The theory wants p and t of norm
    one; as in the authors' code they are not normalised and ``exp(-2 gamma)`` takes their norms for one. Shapes and
    options as for `CGNL`; what is gathered can survive the norm, since the powers of t weigh
    differently. At the authors' ``gamma`` of 1e-4 it hardly does: order 0, a constant map that the norm takes off,
    outweighs order 1 by 1e4 (with first weights the largest gradient off a position is 2e-6 of the one on it, of the
    dot product 4e-3, at ``gamma=0.5`` 4e-2).
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 2,
        groups: int = 8,
        norm: str = "group",
        order: int = 3,
        gamma: float = 1e-4,
    ) -> None:
        super().__init__(channels, reduction=reduction, groups=groups, norm=norm)
        at_least_one(order, "CGNLRBF needs an order")
        if not gamma > 0:
            raise UserError(f"CGNLRBF needs a gamma above 0, got {gamma}")
        self.series = [exp(-2 * gamma) * (2 * gamma) ** o / factorial(o) for o in range(order + 1)]

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wide = torch.promote_types(x.dtype, torch.float32)
        t, p, g = self.t(x), self.p(x), self.g(x)
        with torch.autocast(device_type=x.device.type, enabled=False):
            gathered = self._gathered(t.to(wide), p.to(wide), g.to(wide))
            u = F.conv2d(gathered, self.z.weight.to(wide), groups=self.groups)
            y = self._normalised(u, u.new_ones(u.shape[0], self.groups))
        return x + y.to(x.dtype)

    def _gathered(
        self, t: Float[Tensor, "b d h w"], p: Float[Tensor, "b d h w"], g: Float[Tensor, "b d h w"]
    ) -> Float[Tensor, "b d h w"]:
        """The series by Horner's rule: a polynomial in t, its coefficients one number per picture and group."""
        y = torch.zeros_like(t)
        for o, coefficient in reversed(list(enumerate(self.series))):
            y = y * t + _on_channels(coefficient * self._products(p**o, g), t)
        return y


def _check_groups(channels: int, groups: int, name: str) -> None:
    at_least_one(groups, f"{name} needs groups")
    if channels % groups:
        raise UserError(
            f"{name} needs channels divisible by groups, got channels={channels} and groups={groups}; pass the module "
            f"itself, {name}({channels}, groups={gcd(channels, groups)}), or take another aggregation, such as 'psp'"
        )


def _on_channels(s: Float[Tensor, "b g"], like: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d 1 1"]:
    """One number per group, laid on each of the group's channels in ``like``."""
    return torch.repeat_interleave(s, like.shape[1] // s.shape[1], dim=1)[:, :, None, None]


def _scaled_group_norm(
    u: Float[Tensor, "b c h w"], s: Float[Tensor, "b g"], norm: nn.GroupNorm
) -> Float[Tensor, "b c h w"]:
    """``norm(s u)`` for one s per group, without s u: that may overflow and drowns the gradient of s in rounding.

    It is s (u - mean u) / sqrt(s^2 var u + eps), with |s| divided out where it is large.
    """
    groups = u.reshape(u.shape[0], norm.num_groups, -1, u.shape[2], u.shape[3])
    var, mean = torch.var_mean(groups, dim=(2, 3, 4), keepdim=True, correction=0)
    s = s[:, :, None, None, None]
    large = s.abs() > 1
    big, small = torch.where(large, s, 1.0), torch.where(large, 0.0, s)
    over = torch.sign(big) * torch.rsqrt(var + norm.eps / big.square())
    under = small * torch.rsqrt(var * small.square() + norm.eps)
    y = ((groups - mean) * torch.where(large, over, under)).reshape(u.shape)
    return y * norm.weight[:, None, None] + norm.bias[:, None, None]
