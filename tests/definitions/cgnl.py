"""Compact generalized non-local: the whole matrix between all positions and channels of a group."""

from __future__ import annotations

from functools import partial
from math import exp, factorial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from definitions.definition import Definitions
from definitions.layers import batch_norm, convolved
from gald.block.aggregation.cgnl import CGNL, CGNLRBF

DOT_PRODUCT = [(1, 1.0)]


def gaussian(order: int, gamma: float) -> list[tuple[int, float]]:
    """The powers and coefficients of ``exp(-2 gamma) exp(2 gamma <p, t>)``."""
    return [(o, exp(-2 * gamma) * (2 * gamma) ** o / factorial(o)) for o in range(order + 1)]


def literal_cgnl(module: CGNL, x: Tensor, terms: list[tuple[int, float]]) -> Tensor:
    """The whole matrix between all positions and channels of a group, one per term of the series."""
    t, p, g = (convolved(conv, x).reshape(x.shape[0], module.groups, -1) for conv in (module.t, module.p, module.g))
    gathered = torch.zeros_like(t)
    for power, coefficient in terms:
        affinity = torch.einsum("bgi,bgj->bgij", t**power, p**power)
        gathered = gathered + coefficient * torch.einsum("bgij,bgj->bgi", affinity, g)
    z = convolved(module.z, gathered.reshape(x.shape[0], -1, *x.shape[2:]), groups=module.groups)
    if isinstance(module.norm, nn.GroupNorm):
        return x + F.group_norm(z, module.groups, module.norm.weight, module.norm.bias, eps=1e-5)
    return x + batch_norm(module.norm, z)


dot_product = partial(literal_cgnl, terms=DOT_PRODUCT)

DEFINITIONS: Definitions = {
    "cgnl": (lambda: CGNL(16), dot_product),
    "cgnl-4-groups": (lambda: CGNL(16, groups=4), dot_product),
    "cgnl-batch": (lambda: CGNL(16, norm="batch"), dot_product),
    "cgnl_rbf": (lambda: CGNLRBF(16), partial(literal_cgnl, terms=gaussian(3, 1e-4))),
    "cgnl_rbf-strong": (  # higher orders as heavy as the first
        lambda: CGNLRBF(16, groups=2, gamma=0.5),
        partial(literal_cgnl, terms=gaussian(3, 0.5)),
    ),
}

BLIND: set[str] = {"cgnl", "cgnl_rbf"}
