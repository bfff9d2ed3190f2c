"""Attention between positions, with the matrix that the modules never store."""

from __future__ import annotations

import torch
from torch import Tensor

from definitions.kind import Definitions
from gald.aggregation import NonLocal


def literal_nonlocal(module: NonLocal, x: Tensor) -> Tensor:
    theta, phi, g = (conv(x).flatten(2) for conv in (module.theta, module.phi, module.g))
    affinity = torch.softmax(torch.einsum("bdi,bdj->bij", theta, phi) / theta.shape[1] ** 0.5, dim=2)
    return x + module.project(torch.einsum("bij,bdj->bdi", affinity, g).reshape(x.shape[0], -1, *x.shape[2:]))


DEFINITIONS: Definitions = {
    "nonlocal": (lambda: NonLocal(16), literal_nonlocal),
}

BLIND: set[str] = {"nonlocal"}
