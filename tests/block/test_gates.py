"""One vector for a picture: that it is one, and what it does to the map."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from contract import awake, features
from torch import nn

from gald.block.aggregation.cab import CAB
from gald.block.aggregation.cbam import CBAM
from gald.block.aggregation.gap import GAP
from gald.block.aggregation.gcnet import GCNet
from gald.block.aggregation.nonlocal_ import NonLocal
from gald.support.errors import UserError


def test_gcnet_adds_the_same_everywhere():
    module = awake(GCNet(16)).double()
    x = features(2, 16, 5, 7)
    added = (module(x) - x).flatten(2)
    torch.testing.assert_close(added, added[:, :, :1].expand_as(added))
    assert not torch.allclose(added[0], added[1])


def test_gcnet_starts_as_the_identity():
    x = features(2, 16, 5, 7, dtype=torch.float32)
    assert torch.equal(GCNet(16)(x), x)


def test_gcnet_is_nonlocal_attention_with_one_query():
    nonlocal_, module = NonLocal(8, reduction=1).double(), awake(GCNet(8)).double()
    nonlocal_.theta.weight.data.zero_()
    query = nonlocal_.theta.get_parameter("bias").data.normal_()
    module.attention.weight.data = torch.einsum("d,dcyx->cyx", query, nonlocal_.phi.weight.data)[None] / 8**0.5
    nonlocal_.g.weight.data = torch.eye(8, dtype=torch.float64)[:, :, None, None]
    nonlocal_.project, module.transform = nn.Sequential(), nn.Sequential()
    x = features(2, 8, 4, 6)
    torch.testing.assert_close(module(x), nonlocal_(x))


def test_gap_without_its_local_half_is_the_same_everywhere():
    module = awake(GAP(16)).double()
    module.fuse[1], module.fuse[2] = nn.Identity(), nn.Identity()
    module.fuse.get_parameter("0.weight").data[:, :16] = 0
    y = module(features(2, 16, 5, 7)).flatten(2)
    torch.testing.assert_close(y, y[:, :, :1].expand_as(y))


def test_gap_hears_directions_not_lengths():
    module = awake(GAP(16)).double().eval()
    x = features(2, 16, 5, 7)
    torch.testing.assert_close(module(1000 * x), module(x))
    torch.testing.assert_close(module.context(x).div(module.mean_scale).square().sum(1), torch.ones(2, 1, 1).double())


def test_gap_of_nothing_is_finite():
    module = awake(GAP(16)).eval()
    x = torch.zeros(1, 16, 3, 4, requires_grad=True)
    y = module(x)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad is not None
    assert x.grad.abs().max() < 1e6
    with torch.autocast("cpu", dtype=torch.float16):
        assert module(x.detach().half()).isfinite().all()


def test_cab_scales_and_shifts_each_channel_of_a_picture():
    module = awake(CAB(16)).double().eval()
    x = features(2, 16, 5, 7)
    y = module(x)
    high = module.top(x.mean((2, 3), keepdim=True))
    scale = ((y - high) / x).flatten(2)
    torch.testing.assert_close(scale, scale[:, :, :1].expand_as(scale))
    assert scale.min() > 0
    assert scale.max() < 1


def test_cbam_only_ever_shrinks():
    module = awake(CBAM(16)).double().eval()
    x = features(2, 16, 9, 11)
    y = module(x)
    assert ((y / x) > 0).all()
    assert ((y / x) < 1).all()


@pytest.mark.parametrize("deaf", [False, True], ids=["both gates", "second gate alone"])
def test_cbam_is_global_by_its_first_gate(deaf: bool):
    module = awake(CBAM(8)).double().eval()
    if deaf:
        for parameter in module.channel.parameters():
            parameter.data.zero_()
    x = features(8, 8, 1, 31).requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[..., 15].sum(), x)
    heard = gradient.abs().amax((0, 1, 2)).nonzero().flatten() - 15
    assert heard.tolist() == (list(range(-3, 4)) if deaf else list(range(-15, 16)))


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: GCNet(8, reduction=0), "GCNet needs a reduction of 1 or more, got 0"),
        (lambda: GCNet(0), "GCNet needs channels of 1 or more, got 0"),
        (lambda: CAB(8, reduction=-1), "CAB needs a reduction of 1 or more, got -1"),
        (lambda: CBAM(8, reduction=0), "CBAM needs a reduction of 1 or more, got 0"),
        (lambda: GAP(0), "GAP needs channels of 1 or more, got 0"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(build: Callable[[], nn.Module], sentence: str):
    with pytest.raises(UserError, match=sentence):
        build()
