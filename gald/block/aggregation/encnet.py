"""Context encoding: Zhang et al., "Context Encoding for Semantic Segmentation", CVPR 2018, arXiv 1803.08904 (EncNet).

The whole picture is described by how its features lie around K learned codewords, and that description weighs the
channels. The paper's second loss (which classes are in the picture, weight 0.2) is the user's to add: it is a linear
layer on `EncNet.encode`.

Two things are as in the authors' code, where the paper (from memory) has the plainer form: the block is
``relu(x + x s)`` for its ``x s``, and E is the mean over the codewords for its sum.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.aggregation.attention import linear_in_float
from gald.block.layers import BatchNorm2d, at_least_one, conv_norm, norm_of_rows


class EncNet(nn.Module):
    """``relu(x + x sigmoid(gate(E)))``, one factor for each channel of a picture from its descriptor E.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; never a tensor of positions by codewords by channels. Time and
    memory grow with H W. E is made of sums over the positions (the paper's), which its norm takes to one scale while it
    trains: train and test at maps of about one size.
    """

    def __init__(self, channels: int, *, codewords: int = 32) -> None:
        super().__init__()
        at_least_one(channels, "EncNet needs channels")
        at_least_one(codewords, "EncNet needs codewords")
        self.encoding = _Encoding(channels, codewords)
        self.gate = nn.Linear(channels, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        gate = torch.sigmoid(linear_in_float(self.gate, self.encode(x)))
        return F.relu(x + x * gate.to(x.dtype)[:, :, None, None])

    def encode(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
        """The descriptor E of each picture, never in half precision.

        ``encode`` runs the encoding anew. A forward hook on ``encoding`` sees the descriptor that ``forward`` used, at
        no cost.
        """
        descriptor: Tensor = self.encoding(x)
        return descriptor


class _Encoding(nn.Module):
    """``E = mean_k relu(BN_k(e_k))`` with ``e_k = sum_i a_ik (f_i - d_k)``, ``a_ik = softmax_k(s_k |f_i - d_k|^2)``.

    f is a 1x1 convolution, norm and ReLU of x; d the codewords, s their scales, negative at first. The squares cancel
    and the sums grow with the map, so both are taken in float32.
    """

    def __init__(self, channels: int, codewords: int) -> None:
        super().__init__()
        bound = (codewords * channels) ** -0.5
        self.project = conv_norm(channels, channels, 1)
        self.codewords = nn.Parameter(torch.empty(codewords, channels).uniform_(-bound, bound))
        self.scales = nn.Parameter(torch.empty(codewords).uniform_(-1, 0))
        self.norm = BatchNorm2d(codewords)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
        wide = torch.promote_types(x.dtype, torch.float32)
        f, codewords = self.project(x).flatten(2).to(wide), self.codewords.to(wide)
        with torch.autocast(x.device.type, enabled=False):
            assigned = torch.softmax(self.scales.to(wide)[:, None] * _squared_distances(f, codewords), dim=1)
            # sum_i a (f - d) = sum_i a f - d sum_i a: the residuals themselves would be (B, N, K, C)
            residuals = assigned @ f.mT - assigned.sum(2)[:, :, None] * codewords
            return F.relu(norm_of_rows(self.norm, residuals.mT)).mean(2)


def _squared_distances(f: Float[Tensor, "b c n"], codewords: Float[Tensor, "k c"]) -> Float[Tensor, "b k n"]:
    """``|f_i - d_k|^2`` by its three terms."""
    own = torch.einsum("bcn,bcn->bn", f, f)[:, None]
    return own - 2 * (codewords @ f) + codewords.square().sum(1)[:, None]
