"""Criss-cross attention: Huang et al., "CCNet: Criss-Cross Attention for Semantic Segmentation", ICCV 2019,
arXiv 1811.11721.

Every position attends to its row and its column; done twice, it has heard all positions. As in the released code the
logits have no scale, and what is gathered is added with a learnt weight gamma that is zero at first.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.aggregation.attention import linear, linear_in_float
from gald.block.layers import at_least_one, inner_width


class CCNet(nn.Module):
    """``recurrence`` times ``x + gamma * attention to the own row and column``, each time with the same weights.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; queries and keys have ``C // reduction`` channels. Time and
    memory grow with H W (H + W). With ``recurrence=1`` a position hears its row and column only. It starts as the
    identity. Under autocast the logits, which have no scale, are float32.
    """

    def __init__(self, channels: int, *, reduction: int = 8, recurrence: int = 2) -> None:
        super().__init__()
        at_least_one(recurrence, "CCNet needs a recurrence")
        self.recurrence = recurrence
        width = inner_width(channels, reduction, self)
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Conv2d(channels, width, 1, bias=False)  # a bias moves all logits of a query: softmax is blind
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        y = x.permute(0, 2, 3, 1).contiguous()
        for _ in range(self.recurrence):
            y = y + (self.gamma * self._gathered(y)).to(x.dtype)
        return y.permute(0, 3, 1, 2)

    def _gathered(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        """One softmax over the row and the column of each position."""
        query, key = (linear_in_float(conv, x) for conv in (self.query, self.key))
        value = linear(self.value, x)
        in_row, in_column = (weights.to(value.dtype) for weights in _weights(query, key))
        return in_row @ value + (in_column @ value.transpose(1, 2)).transpose(1, 2)


def _weights(
    query: Float[Tensor, "b h w d"], key: Float[Tensor, "b h w d"]
) -> tuple[Float[Tensor, "b h w w"], Float[Tensor, "b w h h"]]:
    """Each position's weights for its row, and for its column (column by column); together they are one."""
    height, width = query.shape[1:3]
    with torch.autocast(device_type=query.device.type, enabled=False):
        rows = query @ key.transpose(2, 3)
        columns = query.transpose(1, 2) @ key.permute(0, 2, 3, 1)
    # A position is in its row and in its column: it counts once.
    itself = torch.eye(height, dtype=torch.bool, device=query.device)
    columns = columns.masked_fill(itself, float("-inf"))
    weights = torch.cat([rows, columns.transpose(1, 2)], dim=3).softmax(3)
    return weights[..., :width], weights[..., width:].transpose(1, 2)
