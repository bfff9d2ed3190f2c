"""Graphs and codewords: the residuals of every position to every node, every map written out before it is mixed."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from definitions.definition import Definitions
from definitions.layers import batch_norm, conv_norm, conv_norm_relu, convolved
from gald.block.aggregation.dgcnet import DGCNet
from gald.block.aggregation.encnet import EncNet
from gald.block.aggregation.gcu import BeyondGrids
from gald.block.aggregation.glore import GloRe


def literal_glore(module: GloRe, x: Tensor) -> Tensor:
    """Both projections as maps: nodes from positions, positions from nodes, then a convolution of the whole map."""
    states, assignment = (convolved(conv, x).flatten(2) for conv in (module.states, module.assignment))
    nodes = torch.einsum("bsi,bni->bsn", states, assignment)
    if module.normalize:
        nodes = nodes / states.shape[2]
    mixed = torch.einsum("bsm,nm->bsn", nodes, module.adjacency.weight) + module.adjacency.bias
    nodes = torch.einsum("bsn,ts->btn", torch.relu(nodes + mixed), module.update.weight)
    laid = torch.einsum("bsn,bni->bsi", nodes, assignment).reshape(x.shape[0], -1, *x.shape[2:])
    return x + batch_norm(module.norm, F.conv2d(laid, module.extend.weight[:, :, None, None]), eps=1e-4)


def enlarged(y: Tensor, size: tuple[int, int]) -> Tensor:
    """Linear between samples that lie on pixels 0, 8, 16, ..., the last one held beyond."""

    def hats(samples: int, pixels: int) -> Tensor:
        position = (torch.arange(pixels, dtype=y.dtype, device=y.device) / 8).clamp(max=samples - 1)
        return (1 - (position[:, None] - torch.arange(samples, device=y.device)).abs()).clamp(min=0)

    return torch.einsum("pi,bcij,qj->bcpq", hats(y.shape[2], size[0]), y, hats(y.shape[3], size[1]))


def mixed(z: Tensor, layers: Iterable, dim: int = 1) -> Tensor:
    """A convolution and its norm along one dimension of (B, nodes, states), as the released code's 1-D layers."""
    conv, norm, *_ = layers
    return batch_norm(norm, F.conv1d(z.transpose(1, dim), conv.weight[..., 0])).transpose(1, dim)


def literal_dgcnet(module: DGCNet, x: Tensor) -> Tensor:
    gate, graph = module.gate, module.features
    y = x
    for conv, norm, *_ in gate.shrink:
        y = batch_norm(norm, F.conv2d(F.pad(y, (1, 2, 1, 2)), conv.weight, stride=2, groups=x.shape[1]))
    k, v, q = (convolved(conv, y).flatten(2) for conv in (gate.k, gate.v, gate.q))
    if gate.softmax:
        affinity = torch.softmax(torch.einsum("bci,bei->bce", q, v), dim=2)
        related = torch.einsum("bci,bce->bei", k, affinity)
    else:  # the matrix between positions, as in the paper
        related = torch.einsum("bij,bej->bei", torch.einsum("bci,bcj->bij", k, q) / k.shape[2], v)
    related = conv_norm(gate.out, conv_norm(gate.update, related.reshape(y.shape[0], -1, *y.shape[2:])))
    spatial = x * enlarged(torch.relu(related + y), x.shape[2:]) + x

    states, assignment = (conv_norm(layers, x).flatten(2) for layers in (graph.states, graph.assignment))
    nodes = torch.einsum("bni,bsi->bns", assignment, states)
    nodes = mixed(mixed(nodes, graph.adjacency) + nodes, graph.update, dim=2)
    laid = torch.einsum("bns,bni->bsi", nodes, assignment).reshape(x.shape[0], -1, *x.shape[2:])
    feature = torch.relu(x + batch_norm(graph.norm, F.conv2d(laid, graph.out.weight[:, :, None, None])))
    return conv_norm(module.fuse, torch.cat([spatial, feature], dim=1))


def literal_encnet(module: EncNet, x: Tensor) -> Tensor:
    """The residuals of every position to every codeword, ``(B, N, K, C)``."""
    encoding = module.encoding
    residuals = conv_norm_relu(encoding.project, x).flatten(2).mT.contiguous()[:, :, None] - encoding.codewords
    assigned = torch.softmax(encoding.scales * residuals.square().sum(3), dim=2)
    encoded = (assigned[..., None] * residuals).sum(1)
    descriptor = torch.relu(batch_norm(encoding.norm, encoded)).mean(1)
    gate = torch.sigmoid(F.linear(descriptor, module.gate.weight, module.gate.bias))
    return torch.relu(x * (1 + gate)[:, :, None, None])


def literal_beyondgrids(module: BeyondGrids, x: Tensor) -> Tensor:
    """For each node the residuals of every position to it, ``(B, N, C)``, once for the shares and once for the mean."""
    parts, tokens = [x], x.flatten(2).mT.contiguous()
    anchors, deviations = (
        torch.split(values, module.nodes) for values in (module.anchors, torch.sigmoid(module.deviations))
    )
    for anchor, deviation, graph in zip(anchors, deviations, module.graphs, strict=True):
        squared = [((tokens - w) / sigma).square().sum(2) for w, sigma in zip(anchor, deviation, strict=True)]
        assigned = torch.softmax(-torch.stack(squared, dim=2) / 2, dim=2)
        shares = (assigned / assigned.sum(1, keepdim=True)).unbind(2)
        means = [
            (share[..., None] * ((tokens - w) / sigma)).sum(1)
            for share, w, sigma in zip(shares, anchor, deviation, strict=True)
        ]
        nodes = torch.stack(means, dim=1)
        nodes = nodes / nodes.norm(dim=2, keepdim=True)
        nodes = torch.relu(torch.einsum("bvc,bwc->bvw", nodes, nodes) @ nodes @ graph.weight.T)
        parts.append((assigned @ nodes).mT.reshape(x.shape[0], -1, *x.shape[2:]))
    return conv_norm_relu(module.fuse, torch.cat(parts, dim=1))


DEFINITIONS: Definitions = {
    "glore": (lambda: GloRe(16), literal_glore),
    "glore-sums": (lambda: GloRe(16, reduction=2, normalize=False), literal_glore),
    "dgcnet": (lambda: DGCNet(16), literal_dgcnet),
    "dgcnet-linear": (lambda: DGCNet(16, softmax=False), literal_dgcnet),
    "encnet": (lambda: EncNet(16), literal_encnet),
    "encnet-3-codewords": (lambda: EncNet(16, codewords=3), literal_encnet),
    "beyondgrids": (lambda: BeyondGrids(16), literal_beyondgrids),
    "beyondgrids-one-unit": (lambda: BeyondGrids(16, nodes=(5,)), literal_beyondgrids),
}

BLIND: set[str] = {"glore", "encnet", "beyondgrids"}
