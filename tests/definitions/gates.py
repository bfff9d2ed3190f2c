"""Vectors for a whole picture: gates, and what is added everywhere; each laid out over the map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from definitions.definition import Definitions
from definitions.layers import conv_norm, conv_norm_relu, convolved
from gald.block.aggregation.cab import CAB
from gald.block.aggregation.cbam import CBAM
from gald.block.aggregation.gap import GAP
from gald.block.aggregation.gcnet import GCNet


def literal_gcnet(module: GCNet, x: Tensor) -> Tensor:
    """The weighted map, summed; that it is non-local attention with one query, ``test_gates.py`` shows."""
    weights = torch.softmax(convolved(module.attention, x).flatten(2), dim=2).reshape(x.shape[0], 1, *x.shape[2:])
    context = (weights * x).sum((2, 3), keepdim=True)
    squeeze, norm, _, expand = module.transform
    hidden = convolved(squeeze, context)
    centred = hidden - hidden.mean(1, keepdim=True)
    hidden = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias
    return x + convolved(expand, hidden.relu())


def literal_gap(module: GAP, x: Tensor) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    local = x / x.square().sum(1, keepdim=True).sqrt() * module.local_scale
    pooled = mean / mean.square().sum(1, keepdim=True).sqrt() * module.mean_scale
    return conv_norm_relu(module.fuse, torch.cat([local, pooled.expand_as(x)], dim=1))


def literal_cab(module: CAB, x: Tensor) -> Tensor:
    """The block as drawn for two stages, the high one laid out to the size of the low one."""
    high = conv_norm_relu(module.top, x.mean((2, 3), keepdim=True)).expand_as(x)
    pooled = torch.cat([x, high], dim=1).mean((2, 3), keepdim=True)
    squeeze, _, expand, _ = module.gate
    return x * torch.sigmoid(convolved(expand, F.relu(convolved(squeeze, pooled)))) + high


def literal_cbam(module: CBAM, x: Tensor) -> Tensor:
    mean, largest = x.flatten(2).mean(2), x.flatten(2).max(2).values
    squeeze, _, expand = module.channel
    gate = sum(convolved(expand, F.relu(convolved(squeeze, each[..., None, None]))) for each in (mean, largest))
    y = x * torch.sigmoid(gate).expand_as(x)
    summary = torch.stack([y.max(1).values, y.mean(1)], dim=1)
    return y * torch.sigmoid(conv_norm(module.position, summary, 7)).expand_as(y)


DEFINITIONS: Definitions = {
    "gcnet": (lambda: GCNet(16), literal_gcnet),
    "gap": (lambda: GAP(16), literal_gap),
    "cab": (lambda: CAB(16), literal_cab),
    "cab-reduction-4": (lambda: CAB(16, reduction=4), literal_cab),
    "cbam": (lambda: CBAM(16), literal_cbam),
    "cbam-reduction-1": (lambda: CBAM(16, reduction=1), literal_cbam),
}

BLIND: set[str] = {"gcnet", "gap", "cab"}
