"""Similarity of local and global in a window: the second of our readings of the journal version's abstract.

Li et al., "Global Aggregation Then Local Distribution for Scene Parsing", IEEE TIP vol. 30, 2021, arXiv 2107.13154:
"models the affinity map between global and local relationship for each pixel adaptively". Read here as attention in a
window (as in Ramachandran et al., "Stand-Alone Self-Attention in Vision Models", NeurIPS 2019, arXiv 1906.05909, but
without encoded positions): each pixel's local feature asks the aggregated features around it. The authors' module was
not at hand; this is not claimed to be it.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.distribution.relation import Relation
from gald.block.distribution.window import check_window, gathered, neighbours, normalised
from gald.block.layers import inner_width


class WindowAffinityDistribution(Relation):
    """``F_p + sum_n A_p(n) W_v G_n`` with ``A_p = softmax_n((W_q F_p) . (W_k G_n) / sqrt(d))``, n in a window around p.

    d = C // reduction. The window is 5 x 5 by default: G is made on a halved map and laid back bilinearly, so that 5
    pixels hold two or three of its samples a side, where 3 may hold a single one. ``window`` is odd.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; about C^2 + 2 C d + window^2 (C + d) multiplications a pixel,
    C^2 + 2 C d parameters. A hook on ``affinity`` sees A, ``(B, window^2, H, W)``, row by row; it sums to one over the
    neighbours that lie inside the map. Queries, keys, scores and sums are float32 under autocast too.
    """

    def __init__(self, channels: int, *, window: int = 5, reduction: int = 2) -> None:
        super().__init__(channels)
        check_window(window, "WindowAffinityDistribution")
        self.window = window
        self.affinity = _Similarity(channels, inner_width(channels, reduction, self), window)
        # A bias here would be the same at every pixel: the weights sum to one.
        self.value = nn.Conv2d(channels, channels, 1, bias=False)

    def distributed(self, x: Float[Tensor, "b c h w"], local: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        affinity, value = self.affinity(x, local), self.value(x)
        with torch.autocast(device_type=x.device.type, enabled=False):
            return gathered(affinity, value, self.window)


class _Similarity(nn.Module):
    """A from G (``x``), which gives the keys, and F (``local``), which gives the queries."""

    def __init__(self, channels: int, width: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Conv2d(channels, width, 1, bias=False)  # a bias would move all scores of a pixel alike

    def forward(self, x: Float[Tensor, "b c h w"], local: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        wide = torch.promote_types(x.dtype, torch.float32)
        # The softmax decides by differences: 8 bits of a score of some hundreds would leave an error of one and more.
        with torch.autocast(device_type=x.device.type, enabled=False):
            assert self.query.bias is not None
            query = F.conv2d(local.to(wide), self.query.weight.to(wide), self.query.bias.to(wide))
            key = F.conv2d(x.to(wide), self.key.weight.to(wide))
            query = query * query.shape[1] ** -0.5
            scores = [(query * neighbour).sum(dim=1) for neighbour in neighbours(key, self.window)]
            return normalised(torch.stack(scores, dim=1), self.window)
