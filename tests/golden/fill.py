"""Weights and images that follow from names and sizes alone, so that the recorded logits need no recorded weights.

Each value comes from ``RandomState(crc32(name))``; the gains keep a 100-layer network's logits at a few units.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

import numpy as np
import torch

GAINS = {
    r"(^|\.)layer[1-4]\.\d+\.bn3\.weight$": 0.2,
    r"(^|\.)layer[1-4]\.0\.downsample\.1\.weight$": 0.6,
    r"(^|\.)layer4\.\d+\.bn3\.weight$": 0.5,
    r"(^|\.)layer4\.0\.downsample\.1\.weight$": 0.5,
    r"(^|\.)dconv[123]\.1\.weight$": 0.6,
    r"(^|\.)gcn_local_attention\.node_[kvq]\.weight$": 0.15,
    r"(^|\.)bn_phi\.weight$": 0.1,
    r"(^|\.)bn_theta\.weight$": 0.1,
    r"^(.*\.dualgcn\.)?conv3\.weight$": 0.003,
    r"(^|\.)bottleneck\.1\.weight$": 0.5,
    r"(^|\.)dsn\.1\.weight$": 0.5,
}


def filled(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict of the same names and shapes."""
    return {name: _fill(name, tuple(value.shape)) for name, value in state.items()}


def model_input(height: int, width: int) -> torch.Tensor:
    """The image that the recorded logits belong to, ``(1, 3, height, width)``."""
    return torch.from_numpy(np.random.RandomState(0).randn(1, 3, height, width).astype(np.float32))


def _fill(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if leaf == "running_var" or (leaf == "weight" and len(shape) == 1):
        values = random.uniform(0.5, 1.5, shape)
    elif leaf == "weight":
        values = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
    else:
        values = 0.1 * random.standard_normal(shape)
    if leaf == "weight":
        for pattern, factor in GAINS.items():
            if re.search(pattern, name):
                values = values * factor
    return torch.from_numpy(np.asarray(values).astype(np.float32))
