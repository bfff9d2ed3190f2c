"""Dense pyramids, masks of offsets and co-occurrence, with every map and matrix that the modules leave out."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from definitions.definition import Definitions
from definitions.layers import batch_norm, conv_norm, conv_norm_relu, convolved
from gald.block.aggregation.cfnet import CFNet
from gald.block.aggregation.dense_aspp import DenseASPP
from gald.block.aggregation.psanet import PSANet


def literal_dense_aspp(module: DenseASPP, x: Tensor, dilations: tuple[int, ...] = (3, 6, 12, 18, 24)) -> Tensor:
    """Layer l reads the results of all before it, the latest first, and x (the paper, equation 3)."""
    results: list[Tensor] = []
    for layer, dilation in zip(module.layers, dilations, strict=True):
        *norm, _, squeeze, dilated = layer
        y = torch.cat([*reversed(results), x], dim=1)
        y = batch_norm(norm[0], y) if results else y
        results.append(convolved(dilated, conv_norm_relu(squeeze, F.relu(y)), 3, dilation=dilation))
    return conv_norm_relu(module.fuse, torch.cat([*reversed(results), x], dim=1))


def literal_psanet(module: PSANet, x: Tensor) -> Tensor:
    """Every cell of the mask for every position, laid out as the authors' operator does."""
    height, width = x.shape[2:]
    y = torch.arange(height).repeat_interleave(width)
    x_ = torch.arange(width).repeat(height)
    row = y - y[:, None] + module.collect.mask[0] // 2
    column = x_ - x_[:, None] + module.collect.mask[1] // 2
    inside = (row >= 0) & (row < module.collect.mask[0]) & (column >= 0) & (column < module.collect.mask[1])
    cell = torch.where(inside, row * module.collect.mask[1] + column, 0)

    def laid_out(branch) -> tuple[Tensor, Tensor]:
        features = conv_norm_relu(branch.reduce, x)
        masks = convolved(branch.weigh, conv_norm_relu(branch.adapt, features)).flatten(2).transpose(1, 2)
        return features.flatten(2), torch.where(inside, masks.gather(2, cell.expand(x.shape[0], -1, -1)), 0.0)

    (near, collect), (far, distribute) = laid_out(module.collect), laid_out(module.distribute)
    collected = torch.einsum("bij,bcj->bci", torch.softmax(collect, dim=2), near)
    distributed = torch.einsum("bij,bci->bcj", torch.softmax(distribute, dim=1), far)
    both = torch.cat([collected, distributed], dim=1).reshape(x.shape[0], -1, height, width)
    return conv_norm_relu(module.fuse, torch.cat([x, conv_norm_relu(module.project, both)], dim=1), 3)


def literal_cfnet(module: CFNet, x: Tensor) -> Tensor:
    batch, heads, mixtures = x.shape[0], module.heads, module.mixtures
    pooled = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    query = convolved(module.query, x).reshape(batch, heads, mixtures, -1, x.shape[2] * x.shape[3])
    key = convolved(module.query, pooled).reshape(batch, heads, mixtures, query.shape[3], -1)
    value = convolved(module.value, pooled).reshape(batch, heads, -1, key.shape[4])
    logits = torch.einsum("bhmci,bhmcj->bhmij", query, key) / (mixtures * query.shape[3]) ** 0.5
    affinity = torch.softmax(logits, dim=4)
    if mixtures > 1:
        weights = torch.softmax(torch.einsum("mc,bhc->bhm", module.prior, query.mean(4).flatten(2)), dim=2)
        affinity = affinity * weights[..., None, None]
    context = torch.einsum("bhmij,bhcj->bhci", affinity, value).reshape(x.shape)
    image = conv_norm_relu(module.image, x.mean((2, 3), keepdim=True)).expand_as(x)
    return conv_norm_relu(module.fuse, torch.cat([image, conv_norm(module.project, context) + x], dim=1))


DEFINITIONS: Definitions = {
    "dense_aspp": (lambda: DenseASPP(16), literal_dense_aspp),
    "dense_aspp-small": (lambda: DenseASPP(16, dilations=(1, 2)), partial(literal_dense_aspp, dilations=(1, 2))),
    "psanet": (lambda: PSANet(16), literal_psanet),
    "psanet-small-mask": (lambda: PSANet(16, mask=(5, 9)), literal_psanet),  # offsets beyond it on most of the sizes
    "cfnet": (lambda: CFNet(16), literal_cfnet),
    "cfnet-2-mixtures": (lambda: CFNet(16, heads=4, mixtures=2), literal_cfnet),
}

BLIND: set[str] = set()
NOT_GLOBAL: set[str] = {"dense_aspp"}  # hears every third row and column, as far as its dilations' sum
