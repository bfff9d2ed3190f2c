"""Softmax attention between positions without the matrix between them: what the attention modules share."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def tokens(x: Float[Tensor, "b c *size"]) -> Float[Tensor, "b n c"]:
    """One row of channels per position, the channels next to each other in memory.

    A permuted view would have stride N between channels, and attention would fall back to the form that stores N x N
    without a word (measured at 97x97: 787 MB and twice the time).
    """
    return x.flatten(2).transpose(1, 2).contiguous()


def attend(
    query: Float[Tensor, "b n d"], key: Float[Tensor, "b s d"], value: Float[Tensor, "b s e"], *, scale: float
) -> Float[Tensor, "b e n"]:
    """``softmax(scale query key^T) value``, for what `tokens` gives; time grows with n s, memory with n + s.

    The values are at least as wide as the keys (e >= d).
    """
    short = value.shape[2] - query.shape[2]
    if query.device.type == "cpu" and short > 0:
        # The CPU's kernel wants keys as wide as the values, else it is N x N again; CUDA's takes both widths as they
        # are. Zeros change no product. Taking the queries in chunks would be as fast, but its backward keeps N x N.
        query, key = F.pad(query, (0, short)), F.pad(key, (0, short))
    query, key, value = (rows.unsqueeze(1) for rows in (query, key, value))  # one head
    gathered = F.scaled_dot_product_attention(query, key, value, scale=scale)
    return gathered.squeeze(1).transpose(1, 2)


def linear(conv: nn.Conv2d, x: Float[Tensor, "b *n c"]) -> Float[Tensor, "b *n d"]:
    """A 1x1 convolution on tokens; what it gives is contiguous as well."""
    return F.linear(x, conv.weight.flatten(1), conv.bias)


def linear_in_float(layer: nn.Conv2d | nn.Linear, x: Float[Tensor, "b *n c"]) -> Float[Tensor, "b *n d"]:
    """The same in float32, under autocast and with half weights too: for what half precision would spoil.

    The logits of queries and keys without a scale reach 1000, where bf16 is 4 off: another softmax (a tenth of PAM's
    result and of CCNet's were wrong). Nodes that are sums over positions leave the range of float16.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    bias = None if layer.bias is None else layer.bias.to(wide)
    with torch.autocast(device_type=x.device.type, enabled=False):
        return F.linear(x.to(wide), layer.weight.flatten(1).to(wide), bias)
