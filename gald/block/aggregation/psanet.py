"""Point-wise spatial attention: Zhao et al., "PSANet: Point-wise Spatial Attention Network for Scene Parsing",
ECCV 2018 (no arXiv id). Read beside the authors' PyTorch code (semseg, MIT).

A position predicts the weights of the others from its own feature alone, by their offset, never by comparing features:
a mask of (2 H - 1) x (2 W - 1) offsets covers a map of H x W from any of its positions. The authors lay each mask out
with a CUDA operator; here the cells of the mask that the map can use are computed, and one gather lays them out.

Not here: their halving of the map inside (GALD does that), and their even masks, which have no centre.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gald.block.layers import are_counts, conv_norm, inner_width
from gald.support.errors import UserError


class PSANet(nn.Module):
    """Collect ``y_i = sum_j a(i, j) f_j``, distribute ``z_j = sum_i b(i, j) f_i``, and fuse both with x by a 3x3 conv.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. Position i predicts the logits of a(i, .) and b(i, .); a sums
    to one over what i collects, b over what j receives. The inner width is ``C // reduction``.

    Tied to sizes: a mask has one row of weights for each offset, so weights belong to one ``mask`` (height, width; both
    odd). The authors take 2 S - 1 for a map of S positions a side; (97, 97) covers 49x49, which is what
    `gald.GALD` hands over of a 769x769 crop at stride 8. Offsets beyond the mask get logit 0 as in the authors'
    operator: still heard, but alike. Time and memory grow with H W (2 H - 1)(2 W - 1), four numbers for each pair of
    positions, and with the index and the weights that come of them eight at the peak: for one picture in float32 on a
    CPU 0.18 GB at 49x49 and 2.8 GB at 97x97, with the backward pass 0.41 and 5.5 GB (measured at 32 channels, whose
    maps are small beside that).
    """

    def __init__(self, channels: int, *, reduction: int = 4, mask: tuple[int, int] = (97, 97)) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self)
        if not are_counts(mask) or len(mask) != 2 or not all(side % 2 for side in mask):
            raise UserError(f"PSANet's mask is (height, width), both odd and from 1 up, got {mask}")
        self.collect, self.distribute = (_Attention(channels, width, mask) for _ in range(2))
        self.project = conv_norm(2 * width, channels, 1)
        self.fuse = conv_norm(2 * channels, channels, 3)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        index = _offsets(x.shape[2], x.shape[3], x.device).expand(x.shape[0], -1, -1)
        features, logits = self.collect(x, index)
        collected = features.flatten(2) @ logits.softmax(dim=2).transpose(1, 2)
        features, logits = self.distribute(x, index)
        distributed = features.flatten(2) @ logits.softmax(dim=1)
        both = torch.cat([collected, distributed], dim=1).reshape(x.shape[0], -1, *x.shape[2:])
        y: Tensor = self.fuse(torch.cat([x, self.project(both).to(x.dtype)], dim=1))
        return y.to(x.dtype)


class _Attention(nn.Module):
    """The features of one branch, and the logit that each position i gives to each position j."""

    def __init__(self, channels: int, width: int, mask: tuple[int, int]) -> None:
        super().__init__()
        self.mask = mask
        self.reduce = conv_norm(channels, width, 1)
        self.adapt = conv_norm(width, width, 1)
        self.weigh = nn.Conv2d(width, mask[0] * mask[1], 1, bias=False)

    def forward(
        self, x: Float[Tensor, "b c h w"], index: Int[Tensor, "b n n"]
    ) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, "b n n"]]:
        """``index`` is what `_offsets` gives, for each picture."""
        height, width = x.shape[2:]
        features = self.reduce(x)
        tokens = self.adapt(features).flatten(2).transpose(1, 2)
        by_offset = tokens @ self._cells(height, width).to(tokens.dtype)
        return features, by_offset.gather(2, index)

    def _cells(self, height: int, width: int) -> Float[Tensor, "d offsets"]:
        """The weights of the offsets that a map of this size has, row by row; zero where the mask has no cell."""
        weight = self.weigh.weight.reshape(*self.mask, -1)
        for axis, size in enumerate((height, width)):
            cell = torch.arange(1 - size, size, device=weight.device) + self.mask[axis] // 2
            inside = (cell >= 0) & (cell < self.mask[axis])
            weight = weight.index_select(axis, cell.clamp(0, self.mask[axis] - 1))
            weight = weight * inside.reshape([-1 if dimension == axis else 1 for dimension in range(3)])
        return weight.flatten(0, 1).T


def _offsets(height: int, width: int, device: torch.device) -> Int[Tensor, "n n"]:
    """``(N, N)``: the place of position j - position i among the (2 H - 1)(2 W - 1) offsets, row by row."""
    y, x = torch.arange(height, device=device), torch.arange(width, device=device)
    rows = y - y[:, None] + (height - 1)
    columns = x - x[:, None] + (width - 1)
    place = rows[:, None, :, None] * (2 * width - 1) + columns[None, :, None, :]
    return place.reshape(height * width, height * width)
