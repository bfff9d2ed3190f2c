"""Weighted sums over a window around each pixel, without a copy of the map for each place in the window.

The places of a ``window`` x ``window`` window are counted row by row; the pixel itself is in the middle. The loops run
over places, not pixels. What autograd keeps are views of one padded map, so memory grows by ``window ** 2`` numbers a
pixel, not by ``window ** 2`` times the channels, as the usual unfolding does (forward and backward).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from gald.support.errors import UserError


def check_window(window: int, who: str) -> None:
    """Raise `UserError` for a window without a middle."""
    if window < 1 or window % 2 == 0:
        raise UserError(f"{who} needs an odd window of 1 or more (3, 5, ...), got {window}")


def neighbours(x: Float[Tensor, "b c h w"], window: int) -> list[Float[Tensor, "b c h w"]]:
    """For each place in the window, the map of the neighbours there (zeros beyond the border): views of one tensor."""
    height, width = x.shape[2:]
    padded = F.pad(x, (window // 2,) * 4)
    return [padded[:, :, i : i + height, j : j + width] for i in range(window) for j in range(window)]


def normalised(scores: Float[Tensor, "b k h w"], window: int) -> Float[Tensor, "b k h w"]:
    """Softmax over the window's places that lie inside the map; the others get exactly 0.

    A neighbour beyond the border would be a zero vector with a score like any other, and take weight from real ones.
    """
    here = scores.new_ones(1, 1, scores.shape[2], scores.shape[3])
    outside = torch.cat(neighbours(here, window), dim=1) == 0
    return scores.masked_fill(outside, float("-inf")).softmax(dim=1)


def gathered(
    affinity: Float[Tensor, "b k h w"], values: Float[Tensor, "b c h w"], window: int
) -> Float[Tensor, "b c h w"]:
    """``y_p = sum_n A_p(n) values_n`` over the window around p, summed in affinity's type.

    ``values`` may be in half precision: they are widened where they are multiplied, and kept as they are. Call it
    outside autocast, which would keep a widened copy for each place instead.
    """
    y = torch.zeros_like(values, dtype=affinity.dtype)
    for weight, value in zip(affinity[:, :, None].unbind(1), neighbours(values, window), strict=True):
        y = torch.addcmul(y, weight, value)
    return y
