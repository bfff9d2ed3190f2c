"""Graph convolutional units: Li and Gupta, "Beyond Grids: Learning Graph Representations for Visual Recognition",
NeurIPS 2018.

Positions are softly assigned to a few anchors in feature space, the anchors' mean residuals become the nodes of a graph
whose edges are their similarities, one graph convolution lets them talk, and the assignment lays them back.

From the paper's equations; we know of no code by its authors. The paper starts the anchors with k-means on the features
of the network at hand, which is not done here: they start at random near zero with equal deviations, so that with
features of about unit size the assignments are soft at first. That there are units of 2, 4, 8 and 32 nodes is from
memory of the paper; that each gives C // 4 channels is ours.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.aggregation.attention import linear_in_float
from gald.block.layers import after_convolution, are_counts, at_least_one, conv_norm, weight_of
from gald.support.errors import UserError


class BeyondGrids(nn.Module):
    """Units of 2, 4, 8 and 32 nodes side by side, concatenated with the input and fused by a 1x1 convolution.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. ``nodes`` are the nodes of each unit, which gives
    ``C // len(nodes)`` channels. Time and memory grow with H W; never a tensor of positions by nodes by channels.
    The weights are those of the usual form: ``fuse.0.weight`` is ``(C, C + units, 1, 1)``, the input first.
    """

    def __init__(self, channels: int, *, nodes: tuple[int, ...] = (2, 4, 8, 32)) -> None:
        super().__init__()
        at_least_one(channels, "BeyondGrids needs channels")
        if not are_counts(nodes) or channels < len(nodes):
            raise UserError(
                "BeyondGrids needs a node or more in each unit, as in (2, 4, 8, 32), and a channel for each unit, "
                f"got nodes={nodes} and channels={channels}"
            )
        self.nodes = nodes
        self.width = channels // len(nodes)
        self.anchors = nn.Parameter(torch.randn(sum(nodes), channels) * channels**-0.5)
        self.deviations = nn.Parameter(torch.zeros(sum(nodes), channels))  # sigma is their sigmoid, 1/2 at first
        self.graphs = nn.ModuleList(nn.Linear(channels, self.width, bias=False) for _ in nodes)
        self.fuse = conv_norm(channels + self.width * len(nodes), channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wide = torch.promote_types(x.dtype, torch.float32)  # squared distances cancel, sums over positions are long
        own, *parts = torch.split(weight_of(self.fuse), [x.shape[1], *[self.width] * len(self.nodes)], dim=1)
        y = F.conv2d(x, own)
        with torch.autocast(x.device.type, enabled=False):
            tokens = x.flatten(2).to(wide)
            logarithm = self._assigned(tokens)
            units = torch.split(self._gathered(tokens, logarithm), list(self.nodes), dim=1)
            # A 1x1 convolution is linear: the nodes are fused, not what they lay on the positions.
            fused = [
                F.linear(_reasoned(unit, graph), part.flatten(1).to(wide))
                for unit, graph, part in zip(units, self.graphs, parts, strict=True)
            ]
            laid = (torch.cat(fused, dim=1).mT @ logarithm.exp()).reshape(y.shape)
        return after_convolution(self.fuse, y + laid.to(y.dtype)).to(x.dtype)

    def _assigned(self, x: Float[Tensor, "b c n"]) -> Float[Tensor, "b v n"]:
        """``log q``, ``q = softmax(-|(x - w) / sigma|^2 / 2)`` over the anchors w of each unit."""
        anchors, precision = self.anchors.to(x.dtype), torch.sigmoid(self.deviations.to(x.dtype)) ** -2
        constant = (precision * anchors.square()).sum(1)[:, None]
        squared = precision @ x.square() - 2 * ((precision * anchors) @ x) + constant
        units = torch.split(-squared / 2, list(self.nodes), dim=1)
        return torch.cat([torch.log_softmax(unit, dim=1) for unit in units], dim=1)

    def _gathered(self, x: Float[Tensor, "b c n"], logarithm: Float[Tensor, "b v n"]) -> Float[Tensor, "b v c"]:
        """The nodes: ``sum_i q_i (x_i - w) / sigma / sum_i q_i``, brought to length one.

        ``q_i / sum_i q_i`` is a softmax of log q over the positions. Dividing would give 0 / 0 where an anchor is so
        far from all positions that its q vanish.
        """
        share = torch.softmax(logarithm, dim=2)
        anchors, sigma = self.anchors.to(x.dtype), torch.sigmoid(self.deviations.to(x.dtype))
        return F.normalize((share @ x.mT - anchors) / sigma, dim=2)


def _reasoned(nodes: Float[Tensor, "b v c"], graph: nn.Module) -> Float[Tensor, "b v d"]:
    """One graph convolution ``relu(A Z W)``; the edges A are the nodes' similarities ``Z Z^T``."""
    assert isinstance(graph, nn.Linear)
    return F.relu(linear_in_float(graph, nodes @ nodes.mT @ nodes))
