"""The DualSeg ("DGCNet") head as released beside GALD: one graph over positions, one over features.

L. Zhang*, X. Li* et al., "Dual Graph Convolutional Network for Semantic Segmentation", BMVC 2019, arXiv 1909.06121.
Attribute names are those of the released weights.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.models.official.gald_head import ReleasedHead, stretched


class SpatialGCN(nn.Module):
    """The positions' graph, ``relu(y + out(bn(wg(softmax(q v^T)^T k))))``; the softmax is over channels though."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.node_k, self.node_v, self.node_q = (nn.Conv2d(channels, half, 1) for _ in range(3))
        self.conv_wg = nn.Conv1d(half, half, 1, bias=False)
        self.bn_wg = nn.BatchNorm1d(half)
        self.out = nn.Sequential(nn.Conv2d(half, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        k, v, q = (node(y).flatten(2) for node in (self.node_k, self.node_v, self.node_q))
        affinity = torch.softmax(q @ v.mT, dim=-1)
        relation: Tensor = self.bn_wg(self.conv_wg(affinity.mT @ k))
        return F.relu(y + self.out(_as_map(relation, y)))


class DualGCN(nn.Module):
    """Both graphs on one map, concatenated and mixed; the same shape out, without a ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        self.phi = nn.Conv2d(channels, half, 1, bias=False)
        self.bn_phi = nn.BatchNorm2d(half)
        self.theta = nn.Conv2d(channels, quarter, 1, bias=False)
        self.bn_theta = nn.BatchNorm2d(quarter)
        self.conv_adj = nn.Conv1d(quarter, quarter, 1, bias=False)
        self.bn_adj = nn.BatchNorm1d(quarter)
        self.conv_wg = nn.Conv1d(half, half, 1, bias=False)
        self.bn_wg = nn.BatchNorm1d(half)
        self.conv3 = nn.Conv2d(half, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.local = nn.Sequential(*(layer for _ in range(3) for layer in _padded_halving(channels)))
        self.gcn_local_attention = SpatialGCN(channels)
        self.final = nn.Sequential(nn.Conv2d(2 * channels, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        spatial = x * stretched(self.gcn_local_attention(self.local(x)), x) + x
        feature = F.relu(x + self._feature_graph(x))
        out: Tensor = self.final(torch.cat([spatial, feature], 1))
        return out

    def _feature_graph(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Project onto C / 4 nodes, let them mix, project back.

        The projection sums over all positions and is not divided by their number: under autocast it leaves float16's
        range, so it runs in the weights' own precision.
        """
        nodes, assignment = self.bn_phi(self.phi(x)), self.bn_theta(self.theta(x))
        with torch.autocast(x.device.type, enabled=False):
            dtype = self.conv_adj.weight.dtype
            nodes, assignment = nodes.to(dtype).flatten(2), assignment.to(dtype).flatten(2)
            graph = nodes @ assignment.mT
            graph = self.bn_adj(self.conv_adj(graph.mT)).mT + graph
            graph = self.bn_wg(self.conv_wg(graph))
            out: Tensor = self.bn3(self.conv3(_as_map(graph @ assignment, x)))
        return out.to(x.dtype)


class DualGCNHead(ReleasedHead):
    """With both graphs as its block."""

    block_name = "dualgcn"

    @staticmethod
    def block(channels: int) -> DualGCN:
        return DualGCN(channels)


def _padded_halving(channels: int) -> tuple[nn.Module, ...]:
    """Depth-wise 3x3 of stride 2 with padding and without bias or activation, unlike GALD's."""
    return nn.Conv2d(channels, channels, 3, 2, padding=1, groups=channels, bias=False), nn.BatchNorm2d(channels)


def _as_map(tokens: Float[Tensor, "b d n"], like: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
    return tokens.reshape(*tokens.shape[:2], *like.shape[2:])
