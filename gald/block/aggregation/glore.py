"""Global reasoning: Chen et al., "Graph-Based Global Reasoning Networks", CVPR 2019, arXiv 1811.12814 (GloRe).

The map is gathered into a few nodes by a learned assignment, the nodes talk over a learned graph, and the same
assignment lays them back. Here the nodes are means over the positions. In the authors' code they are sums unless
``normalize`` is asked for, which it says to leave off where the input's size is fixed: a sum grows with the map, and a
network of fully convolutional layers is run at other sizes than it was trained at.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.aggregation.attention import linear_in_float
from gald.block.layers import BatchNorm2d
from gald.support.errors import UserError


class GloRe(nn.Module):
    """``x + BN(extend(V') B)``, with nodes ``V = B X^T / N`` and ``V' = update(relu(V + A V + b))``.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; N = H W. There are ``C // reduction`` nodes, each a vector of
    twice as many numbers (its state); X, the states, and B, the assignment, are 1x1 convolutions of x. Time and memory
    grow with H W. ``normalize=False`` leaves the sums undivided, for maps of one size. The last norm's weight is zero
    at first (as in the authors' code): it starts as identity.
    """

    def __init__(self, channels: int, *, reduction: int = 4, normalize: bool = True) -> None:
        super().__init__()
        if not 1 <= reduction <= channels:
            raise UserError(
                f"GloRe needs a node: a reduction from 1 to channels, got channels={channels} and reduction={reduction}"
            )
        nodes = channels // reduction
        self.normalize = normalize
        self.states = nn.Conv2d(channels, 2 * nodes, 1)
        self.assignment = nn.Conv2d(channels, nodes, 1)
        self.adjacency = nn.Linear(nodes, nodes)
        self.update = nn.Linear(2 * nodes, 2 * nodes, bias=False)
        self.extend = nn.Linear(2 * nodes, channels, bias=False)
        self.norm = BatchNorm2d(channels, eps=1e-4)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wide = torch.promote_types(x.dtype, torch.float32)  # sums over all positions leave the range of halves
        states, assignment = self.states(x).flatten(2).to(wide), self.assignment(x).flatten(2).to(wide)
        with torch.autocast(x.device.type, enabled=False):
            if self.normalize:
                states = states / states.shape[2]
            nodes = self._reasoned(assignment @ states.mT)
            # Laying back is linear: the nodes are brought to C channels, not the positions.
            laid = (linear_in_float(self.extend, nodes).mT @ assignment).reshape(x.shape)
            y: Tensor = self.norm(laid.to(self.norm.weight.dtype))
        return x + y.to(x.dtype)

    def _reasoned(self, nodes: Float[Tensor, "b n s"]) -> Float[Tensor, "b n s"]:
        """The graph convolution: each node hears the others along the learned edges A, then states are mixed."""
        return linear_in_float(self.update, F.relu(nodes + linear_in_float(self.adjacency, nodes.mT).mT))
