"""Means over a grid of cells, as small matrix products: what the pyramids share.

``adaptive_avg_pool2d`` exports to ONNX with the example's windows frozen: wrong at every other size, silently.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def pyramid(x: Float[Tensor, "b c h w"], bins: tuple[int, ...]) -> list[Float[Tensor, "b c _ _"]]:
    """The means of ``x`` over k x k cells, as from ``adaptive_avg_pool2d``, for each k of ``bins``; reads x once."""
    height, width = x.shape[2:]
    rows = torch.split(torch.cat([pooling(height, k, x) for k in bins]) @ x, list(bins), dim=2)
    return [row @ pooling(width, k, x).T for k, row in zip(bins, rows, strict=True)]


def pooling(size: int, bins: int, like: Tensor) -> Float[Tensor, "{bins} {size}"]:
    """The rows of ``adaptive_avg_pool1d``: cell i is the mean of floor(i n / b) up to ceil((i + 1) n / b)."""
    cell = torch.arange(bins, device=like.device)[:, None]
    low, high = cell * size // bins, ((cell + 1) * size + bins - 1) // bins
    position = torch.arange(size, device=like.device)
    inside = (position >= low) & (position < high)
    return inside.to(like.dtype) / (high - low).to(like.dtype)
