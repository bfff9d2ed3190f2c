"""Aggregated co-occurrent features: mixtures of softmaxes, and the pooled map that they look at."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from contract import Watch, awake, features

from gald.block.aggregation.cfnet import CFNet
from gald.support.errors import UserError


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 3)], ids=str)
def test_one_mixture_is_plain_attention(size: tuple[int, int]):
    module = awake(CFNet(16, heads=2)).double()
    x = features(2, 16, *size)
    pooled = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    assert pooled.shape[2:] == ((size[0] + 1) // 2, (size[1] + 1) // 2)
    query, key, value = (
        conv(each).reshape(2, 2, 8, -1).transpose(2, 3)
        for conv, each in ((module.query, x), (module.query, pooled), (module.value, pooled))
    )
    expected = F.scaled_dot_product_attention(query, key, value).transpose(2, 3).reshape(x.shape)
    torch.testing.assert_close(module.aggregate(x), expected)


def test_equal_mixtures_are_one_whatever_they_weigh():
    module = awake(CFNet(16, heads=2, mixtures=3)).double()
    for parameter in (module.query.weight, module.query.get_parameter("bias")):
        thirds = parameter.data.reshape(2, 3, 8, -1)
        thirds[:] = thirds[:, :1].clone()
    x = features(2, 16, 5, 7)
    before = module.aggregate(x)
    module.prior.data.normal_()
    torch.testing.assert_close(module.aggregate(x), before)


def test_a_constant_map_is_its_own_context():
    """Also at the border, where a mean that counted the padding would pull it down."""
    module = awake(CFNet(16, mixtures=2)).double()
    x = features(2, 16, 1, 1).expand(-1, -1, 5, 6)
    torch.testing.assert_close(module.aggregate(x), module.value(x))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["nchw", "nhwc"])
def test_never_stores_position_by_position(memory_format: torch.memory_format):
    module = awake(CFNet(16, heads=2, mixtures=2))
    x = features(1, 16, 40, 41, dtype=torch.float32).to(memory_format=memory_format).requires_grad_()
    with Watch() as watch:
        module(x).sum().backward()
    assert watch.largest < (40 * 41) * (20 * 21) / 5
    assert any("_scaled_dot_product_flash_attention_for_cpu_backward" in name for name in watch.operators)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: CFNet(12), r"channels=12 and heads=8; pass the module itself, CFNet\(12, heads=4\), or"),
        (lambda: CFNet(0), "CFNet needs channels of 1 or more, got 0"),
        (lambda: CFNet(12, heads=0), "CFNet needs heads of 1 or more, got 0"),
        (lambda: CFNet(16, mixtures=0), "CFNet needs mixtures of 1 or more, got 0"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(build: Callable[[], CFNet], sentence: str):
    with pytest.raises(UserError, match=sentence):
        build()
