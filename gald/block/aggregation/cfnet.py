"""Aggregated co-occurrent features: Zhang et al., "Co-occurrent Features in Semantic Segmentation" (CFNet), CVPR 2019.

The paper's text was not at hand: this follows the first author's code (PyTorch-Encoding, MIT), where the module is
``ACFModule`` inside the head "atten". Two things differ. Its way of reshaping the pooled map takes H W // 4 positions,
which fails for odd sizes; here they are counted. And what follows in its head (the encoding module, the classifier) is
a 1x1 convolution, norm and ReLU back to C. Its dropout belongs to the head.
"""

from math import gcd

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.aggregation.attention import linear, tokens
from gald.block.layers import after_convolution, at_least_one, conv_norm, strided_mean, weight_of
from gald.support.errors import UserError


class CFNet(nn.Module):
    """Each position asks a pooled map what occurs with its own feature; fused with the picture's mean by a 1x1 conv.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. C must be divisible by ``heads``. Keys and values come from
    the map pooled 3x3 at stride 2, queries and keys share their weights. The probability of a co-occurrence is a
    mixture of ``mixtures`` softmaxes, weighed per picture and head by the mean query. Time grows with (H W)^2 / 4,
    memory with H W only.

    In training the norm at the end takes off what all positions of a batch share: with batches of one picture (and no
    synchronised norm) the branch of the picture's mean is not heard until evaluation, and doesn't learn.
    """

    def __init__(self, channels: int, *, heads: int = 8, mixtures: int = 1) -> None:
        super().__init__()
        at_least_one(channels, "CFNet needs channels")
        at_least_one(heads, "CFNet needs heads")
        at_least_one(mixtures, "CFNet needs mixtures")
        if channels % heads:
            raise UserError(
                f"CFNet needs channels divisible by heads, got channels={channels} and heads={heads}; pass the module "
                f"itself, CFNet({channels}, heads={gcd(channels, heads)}), or take another aggregation, such as 'psp'"
            )
        self.heads, self.mixtures = heads, mixtures
        self.query = nn.Conv2d(channels, channels * mixtures, 1)
        self.value = nn.Conv2d(channels, channels, 1, bias=False)  # a bias would move the whole map: the norm's to take
        spread = (2 / (channels + channels // heads * mixtures)) ** 0.5
        nn.init.normal_(self.query.weight, std=spread)
        nn.init.normal_(self.value.weight, std=(2 / (channels + channels // heads)) ** 0.5)
        if mixtures > 1:
            bound = mixtures**-0.5
            self.prior = nn.Parameter(torch.empty(mixtures, channels // heads * mixtures).uniform_(-bound, bound))
        self.project = conv_norm(channels, channels, 1, act=False)
        self.project[1].register_parameter("bias", None)  # another that a norm takes off, the last one
        self.image = conv_norm(channels, channels, 1)
        self.fuse = conv_norm(2 * channels, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        y: Tensor = x + self.project(self.aggregate(x)).to(x.dtype)
        image = self.image(x.mean((2, 3), keepdim=True))
        far, near = weight_of(self.fuse).chunk(2, dim=1)
        return after_convolution(self.fuse, F.conv2d(y, near) + F.conv2d(image, far)).to(x.dtype)

    def aggregate(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Sum over the pooled positions j of p(j | i) v_j, head by head."""
        exists = strided_mean(torch.ones_like(x[:1, :1]), 3, 2, 1)
        pooled = strided_mean(x, 3, 2, 1) / exists  # the border's mean is of what exists
        query, key = (_parts(maps, self.query, self.heads * self.mixtures) for maps in (x, pooled))
        value = _parts(pooled, self.value, self.heads)
        if self.mixtures > 1:
            value = (self._weights(query)[..., None, None] * value.unsqueeze(2)).flatten(1, 2)
        # The temperature is the root of all the query's channels in a head, the mixture's share is one m-th (the code).
        scale = (self.mixtures * query.shape[-1]) ** -0.5
        context = F.scaled_dot_product_attention(query, key, value, scale=scale)
        context = context.reshape(x.shape[0], self.heads, self.mixtures, *context.shape[2:]).sum(2)
        return context.transpose(2, 3).reshape(x.shape)

    def _weights(self, query: Float[Tensor, "b parts n d"]) -> Float[Tensor, "b heads mixtures"]:
        """How much each softmax counts, per picture and head."""
        mean = query.mean(2).reshape(query.shape[0], self.heads, -1)
        return F.linear(mean, self.prior).softmax(dim=2).to(query.dtype)


def _parts(x: Float[Tensor, "b c h w"], conv: nn.Conv2d, parts: int) -> Float[Tensor, "b {parts} n d"]:
    """A 1x1 convolution, its channels split and last in memory: attention without N x N wants them so."""
    projected = linear(conv, tokens(x))
    return projected.reshape(*projected.shape[:2], parts, -1).transpose(1, 2)
