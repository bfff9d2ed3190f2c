"""Attention between positions: what it never stores, and where it starts."""

from __future__ import annotations

import pytest
import torch
from contract import Watch, awake, features

from gald.aggregation import NonLocal


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["nchw", "nhwc"])
def test_nonlocal_never_stores_position_by_position(memory_format: torch.memory_format):
    module = awake(NonLocal(8))
    x = features(1, 8, 40, 41, dtype=torch.float32).to(memory_format=memory_format).requires_grad_()
    with Watch() as watch:
        module(x).sum().backward()
    assert watch.largest < (40 * 41) ** 2 / 50
    assert any("_scaled_dot_product_flash_attention_for_cpu.default" in name for name in watch.operators)
    assert any("_scaled_dot_product_flash_attention_for_cpu_backward" in name for name in watch.operators)


def test_nonlocal_starts_as_the_identity():
    x = features(2, 16, 5, 7, dtype=torch.float32)
    assert torch.equal(NonLocal(16)(x), x)
