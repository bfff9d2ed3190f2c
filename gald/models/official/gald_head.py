"""The GALD head as released: CGNL on a halved map, then the local distribution, then a fusing convolution.

X. Li et al., "Global Aggregation then Local Distribution in Fully Convolutional Networks", BMVC 2019, arXiv 1909.07229;
CGNL: K. Yue et al., "Compact Generalized Non-local Network", NeurIPS 2018, arXiv 1810.13125. Attribute names are those
of the released weights.
"""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class CGNL(nn.Module):
    """Dot-product CGNL: ``x + GN(z(a * t))`` with ONE scalar ``a = sum(p * g)`` for each image and group of channels.

    ``z`` and the norm have the same groups, so the norm takes the size of ``a`` out again and leaves its sign (up to
    eps): the released "global aggregation" is almost inert. ``scale`` divides ``a`` by the root of what it sums over.
    """

    def __init__(self, channels: int, inner: int, groups: int = 8, *, scale: bool = False) -> None:
        super().__init__()
        self.groups, self.scale = groups, scale
        self.t, self.p, self.g = (nn.Conv2d(channels, inner, 1, bias=False) for _ in range(3))
        self.z = nn.Conv2d(inner, channels, 1, groups=groups, bias=False)
        self.gn = nn.GroupNorm(groups, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return self._scaled_norm(self.z(self.t(x)), self._scalar(x)).to(x.dtype) + x

    def _scalar(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b g"]:
        """``a``, in float32 at least: it passes float16's largest value (65504) on an ordinary 64 x 128 map."""
        p, g = self._grouped(self.p(x)), self._grouped(self.g(x))
        a = (p * g).sum(2)
        return a / math.sqrt(p.shape[2]) if self.scale else a

    def _scaled_norm(self, u: Float[Tensor, "b c h w"], a: Float[Tensor, "b g"]) -> Float[Tensor, "b c h w"]:
        """``GN(a * u)`` without the product: ``a (u - mean) / sqrt(a^2 var + eps)``, the same function of both."""
        grouped = self._grouped(u)
        var, mean = torch.var_mean(grouped, 2, correction=0, keepdim=True)
        a = a[..., None]
        normed = ((grouped - mean) * (a * torch.rsqrt(a * a * var + self.gn.eps))).reshape(u.shape)
        return normed * self.gn.weight[:, None, None] + self.gn.bias[:, None, None]

    def _grouped(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b g n"]:
        return x.to(torch.promote_types(x.dtype, torch.float32)).reshape(x.shape[0], self.groups, -1)


class LocalDistribution(nn.Module):
    """``x + x * M``: M is the sigmoid of ``x`` after three strided depth-wise convolutions, upsampled again.

    No padding: the map must be 15 x 15 at least. A ReLU stands before the sigmoid, so M lies in [0.5, 1).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dconv1, self.dconv2, self.dconv3 = (halving(channels) for _ in range(3))
        self.sigmoid_spatial = nn.Sigmoid()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        small = self.dconv3(self.dconv2(self.dconv1(x)))
        mask: Tensor = self.sigmoid_spatial(stretched(small, x))
        return x + x * mask


class GALDBlock(nn.Module):
    """``2 G + M * G``: halve (learned, unpadded), CGNL, stretch back to ``G``, local distribution, and ``G`` again."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.down = halving(channels)
        self.long_relation = CGNL(channels, inner)
        self.local_attention = LocalDistribution(channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        aggregated = stretched(self.long_relation(self.down(x)), x)
        out: Tensor = self.local_attention(aggregated) + aggregated
        return out


class ReleasedHead(nn.Module):
    """``(B, in_channels, h, w)`` -> logits ``(B, num_classes, h, w)``; the backbone's map comes first in the concat.

    Subclasses say what their block is called, and build it.
    """

    block_name: ClassVar[str]

    def __init__(self, in_channels: int, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conva = nn.Sequential(*conv3x3(in_channels, channels))
        self.add_module(self.block_name, self.block(channels))
        self.convb = nn.Sequential(*conv3x3(channels, channels))
        classifier = nn.Conv2d(channels, num_classes, 1)
        self.bottleneck = nn.Sequential(*conv3x3(in_channels + channels, channels), classifier)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        block = self.get_submodule(self.block_name)
        out: Tensor = self.bottleneck(torch.cat([x, self.convb(block(self.conva(x)))], 1))
        return out

    @staticmethod
    def block(channels: int) -> nn.Module:
        raise NotImplementedError


class GALDHead(ReleasedHead):
    """With the block of this file."""

    block_name = "a2block"

    @staticmethod
    def block(channels: int) -> GALDBlock:
        return GALDBlock(channels, channels // 2)


def conv3x3(channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    """Convolution without bias, norm, ReLU."""
    conv = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)
    return conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)


def halving(channels: int) -> nn.Sequential:
    """Depth-wise 3x3 of stride 2 without padding (and with a bias, before a norm): ``f -> (f - 3) // 2 + 1``."""
    conv = nn.Conv2d(channels, channels, 3, 2, groups=channels)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def stretched(x: Float[Tensor, "b c i j"], like: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Bilinear, corner onto corner, although the strided convolutions did not keep the corners."""
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)
