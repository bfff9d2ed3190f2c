"""Compact generalized non-local: the whole matrix between all positions and channels of a group."""

from __future__ import annotations

import torch
from torch import Tensor

from definitions.kind import Definitions
from gald.aggregation import CGNL, CGNLRBF


def literal_cgnl(module: CGNL, x: Tensor) -> Tensor:
    """The whole matrix between all positions and channels of a group, one per term of the series."""
    terms = list(enumerate(module.series)) if isinstance(module, CGNLRBF) else [(1, 1.0)]
    t, p, g = (conv(x).reshape(x.shape[0], module.groups, -1) for conv in (module.t, module.p, module.g))
    gathered = torch.zeros_like(t)
    for power, coefficient in terms:
        affinity = torch.einsum("bgi,bgj->bgij", t**power, p**power)
        gathered = gathered + coefficient * torch.einsum("bgij,bgj->bgi", affinity, g)
    return x + module.norm(module.z(gathered.reshape(x.shape[0], -1, *x.shape[2:])))


DEFINITIONS: Definitions = {
    "cgnl": (lambda: CGNL(16), literal_cgnl),
    "cgnl-4-groups": (lambda: CGNL(16, groups=4), literal_cgnl),
    "cgnl-batch": (lambda: CGNL(16, norm="batch"), literal_cgnl),
    "cgnl-rbf": (lambda: CGNLRBF(16), literal_cgnl),
    "cgnl-rbf-strong": (lambda: CGNLRBF(16, groups=2, gamma=0.5), literal_cgnl),  # higher orders as heavy as the first
}

BLIND: set[str] = {"cgnl", "cgnl_rbf"}
