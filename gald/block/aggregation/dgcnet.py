"""Dual graph: Zhang*, Li* et al., "Dual Graph Convolutional Network for Semantic Segmentation", BMVC 2019,
arXiv 1909.06121 (DGCNet).

One graph over positions of the map shrunk by 8, one over features; their results are concatenated and mixed. What the
first gives is a gate on x, the same thought as local distribution (`gald.block.distribution`): ``GALD(C, ga="dgcnet")``
works, but part of the local distribution is then done twice.

The authors' released head stands in `gald.models.official`, with its own registration; this one lays the shrunk map
back on the pixels it came from. Both graphs follow the released code where the paper differs: a softmax over channels
in the graph of positions (``softmax=False`` is the paper's linear form, divided by the number of positions), and nodes
that are sums over positions. Both sums grow with the map, so train and test at maps of about one size. And the graph of
features hardly talks at first: on a 97x97 map of 512 channels the nodes have a standard deviation of 425, what their
edges add has 1 (measured at the first weights).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.aggregation.attention import linear_in_float, tokens
from gald.block.layers import (
    BatchNorm2d,
    conv_norm,
    norm_of_rows,
    shrink_registered,
    upsample_registered,
    weight_of,
)
from gald.support.errors import UserError


class DGCNet(nn.Module):
    """``BN(fuse([x gate + x ; relu(x + BN(g))]))``, no activation after it, no residual around it.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1, C of 2 or more. ``gate`` is the graph over positions at 1/8 of
    the size, not bounded above; g is the graph over features, of ``C // reduction`` nodes. Time and memory grow with
    H W.
    """

    def __init__(self, channels: int, *, reduction: int = 4, softmax: bool = True) -> None:
        super().__init__()
        if not 1 <= reduction <= channels or channels < 2:
            raise UserError(
                "DGCNet needs 2 channels or more and a reduction from 1 to channels, "
                f"got channels={channels} and reduction={reduction}"
            )
        self.gate = _PositionGraph(channels, softmax)
        self.features = _FeatureGraph(channels, channels // reduction)
        self.fuse = conv_norm(2 * channels, channels, 1, act=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        y: Tensor = self.fuse(torch.cat([x * self.gate(x) + x, F.relu(x + self.features(x))], dim=1))
        return y.to(x.dtype)


class _PositionGraph(nn.Module):
    """``upsample(relu(y + BN(out(BN(update(M^T k))))))`` with ``M = softmax(q v^T)``, y the map shrunk by 8.

    M is (C/2)^2 and holds the affinities between positions by associativity. Without the softmax M is ``q v^T / N'``
    for N' positions, and ``M^T k`` is each position's sum of all v, weighed by its affinity ``k_i . q_j / N'``.
    """

    def __init__(self, channels: int, softmax: bool) -> None:
        super().__init__()
        width = channels // 2
        self.softmax = softmax
        self.shrink = nn.Sequential(
            *(conv_norm(channels, channels, 3, stride=2, groups=channels, act=False) for _ in range(3))
        )
        self.k, self.v, self.q = (nn.Conv2d(channels, width, 1) for _ in range(3))
        # What this norm would scale, out scales; what it would add, and a bias of out, the norm after out takes off.
        self.update = nn.Sequential(nn.Conv2d(width, width, 1, bias=False), BatchNorm2d(width, affine=False))
        self.out = conv_norm(width, channels, 1, act=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        y = shrink_registered(x, self.shrink)
        y = y.to(torch.promote_types(x.dtype, torch.float32))
        # A softmax of sums over positions needs all its digits, and on 1/64 of the positions they cost little.
        with torch.autocast(x.device.type, enabled=False):
            related = self._related(y).to(self.k.weight.dtype)
            y = F.relu(y + self.out(self.update(related)))
        return upsample_registered(y, 8, (x.shape[2], x.shape[3])).to(x.dtype)

    def _related(self, y: Float[Tensor, "b c i j"]) -> Float[Tensor, "b d i j"]:
        """``M^T k``."""
        every = tokens(y)
        k, v, q = (linear_in_float(conv, every) for conv in (self.k, self.v, self.q))
        affinity = torch.softmax(q.mT @ v, dim=2) if self.softmax else q.mT @ v / q.shape[1]
        return (k @ affinity).mT.reshape(y.shape[0], -1, *y.shape[2:])


class _FeatureGraph(nn.Module):
    """``BN(out(Z') B)``: nodes ``Z = B X^T`` talk, ``Z' = BN(update(Z + BN(A Z)))``, and are laid back by B.

    X and B, the states and the assignment, are 1x1 convolutions of x with a norm; there are twice as many states as
    nodes.
    """

    def __init__(self, channels: int, nodes: int) -> None:
        super().__init__()
        self.states = conv_norm(channels, 2 * nodes, 1, act=False)
        self.assignment = conv_norm(channels, nodes, 1, act=False)
        self.adjacency = conv_norm(nodes, nodes, 1, act=False)
        self.update = conv_norm(2 * nodes, 2 * nodes, 1, act=False)
        self.out = nn.Linear(2 * nodes, channels, bias=False)
        self.norm = BatchNorm2d(channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wide = torch.promote_types(x.dtype, torch.float32)  # sums over all positions leave the range of halves
        states, assignment = self.states(x).flatten(2).to(wide), self.assignment(x).flatten(2).to(wide)
        with torch.autocast(x.device.type, enabled=False):
            nodes = states @ assignment.mT
            nodes = _mixed((nodes + _mixed(nodes, self.adjacency)).mT, self.update)
            # Laying back is linear: the nodes are brought to C channels, not the positions.
            laid = (linear_in_float(self.out, nodes).mT @ assignment).reshape(x.shape)
            y: Tensor = self.norm(laid.to(self.norm.weight.dtype))
        return y.to(x.dtype)


def _mixed(rows: Float[Tensor, "b r k"], layer: nn.Sequential) -> Float[Tensor, "b r k"]:
    """A 1x1 convolution with its norm, along the last dimension."""
    return norm_of_rows(layer[1], F.linear(rows, weight_of(layer).flatten(1).to(rows.dtype)))
