"""Pyramid pooling: Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017, arXiv 1612.01105.

Equal to the usual form to rounding, without its two costly habits. Pooling is two small matrix products (see
`gald.block.aggregation.pooling`). And the pyramid is neither enlarged nor concatenated, because a convolution of an
interpolated 6x6 map is a product of small matrices too (about twice as fast at 97x97, with the same weights).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.aggregation.pooling import pyramid
from gald.block.layers import after_convolution, are_counts, at_least_one, conv_norm, weight_of
from gald.support.errors import UserError


class PSP(nn.Module):
    """Mean over 1x1, 2x2, 3x3 and 6x6 cells, each squeezed and enlarged, fused with the input by a 3x3 convolution.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. ``bins`` are the cells per side; each gets ``C // len(bins)``
    channels. The weights are those of the usual form: ``fuse.0.weight`` is ``(C, C + pyramid, 3, 3)``, the input first.
    """

    def __init__(self, channels: int, *, bins: tuple[int, ...] = (1, 2, 3, 6)) -> None:
        super().__init__()
        at_least_one(channels, "PSP needs channels")
        if not are_counts(bins) or channels < len(bins):
            raise UserError(
                "PSP needs bins from 1 up, as in (1, 2, 3, 6), and a channel for each, "
                f"got bins={bins} and channels={channels}"
            )
        self.bins = bins
        self.width = channels // len(bins)
        self.stages = nn.ModuleList(conv_norm(channels, self.width, 1) for _ in bins)
        self.fuse = conv_norm(channels + self.width * len(bins), channels, 3)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        weight = weight_of(self.fuse)
        own, *pyramid = torch.split(weight, [x.shape[1], *[self.width] * len(self.bins)], dim=1)
        y = F.conv2d(x, own, padding=1)
        y = y + self._fused_pyramid(x, pyramid).to(y.dtype)
        return after_convolution(self.fuse, y).to(x.dtype)

    def _fused_pyramid(self, x: Float[Tensor, "b c h w"], weights: list[Tensor]) -> Float[Tensor, "b c h w"]:
        """The sum over the bins of conv3x3(enlarge(stage(pool(x)))), at most 36 x W until the last product."""
        height, width = x.shape[2:]
        columns = []
        for bins, cells, stage, weight in zip(self.bins, pyramid(x, self.bins), self.stages, weights, strict=True):
            pooled = stage(cells).to(weight.dtype)
            taps = torch.einsum("ocyx,bcij->boyixj", weight, pooled).flatten(4).flatten(2, 3)
            columns.append(taps @ _enlarging(width, bins, taps).T)
        return torch.cat([_enlarging(height, bins, x) for bins in self.bins], dim=1) @ torch.cat(columns, dim=2)


def _enlarging(size: int, bins: int, like: Tensor) -> Float[Tensor, "{size} 3*{bins}"]:
    """Linear interpolation (``align_corners=True``) as each of the three taps of a padded convolution sees it.

    Column ``tap * bins + j`` holds what cell j gives to that tap; the rows of zeros are the convolution's padding.
    """
    position = torch.arange(size, device=like.device).to(torch.promote_types(like.dtype, torch.float32))
    source = position * (bins - 1) / position[-1:].clamp(min=1)
    hat = (1 - (source[:, None] - torch.arange(bins, device=like.device)).abs()).clamp(min=0)
    padded = F.pad(hat, (0, 0, 1, 1))
    return torch.cat([padded[:-2], padded[1:-1], padded[2:]], dim=1).to(like.dtype)
