"""Graphs and codewords: what they reduce to, what they never store, where they look, and their gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from contract import Watch, awake, features
from torch import nn

from gald.block.aggregation.dgcnet import DGCNet
from gald.block.aggregation.encnet import EncNet
from gald.block.aggregation.gcu import BeyondGrids
from gald.block.aggregation.glore import GloRe
from gald.support.errors import UserError


@pytest.mark.parametrize("build", [GloRe, DGCNet, EncNet, BeyondGrids])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_gradients_are_slopes(build: Callable[[int], nn.Module], training: bool):
    """Against finite differences: the definitions trust torch's backward, which is wrong for some strides."""
    module = awake(build(8)).double().train(training)
    x, r = features(2, 8, 5, 6).requires_grad_(), features(2, 8, 5, 6, seed=2)
    wanted = [x, *module.parameters()]
    gradients = torch.autograd.grad((module(x) * r).sum(), wanted)
    with torch.no_grad():
        for number, (tensor, gradient) in enumerate(zip(wanted, gradients, strict=True)):
            step = 1e-6 * features(*tensor.shape, seed=number)
            tensor.add_(step)
            above = (module(x) * r).sum()
            tensor.sub_(2 * step)
            below = (module(x) * r).sum()
            tensor.add_(step)
            torch.testing.assert_close((above - below) / 2, (gradient * step).sum(), rtol=1e-4, atol=1e-12)


# ------------------------------------------------------------------------------------------------------------ GloRe


def test_glore_without_edges_is_linear_attention():
    module = awake(GloRe(8)).double().eval()
    for conv in (module.states, module.assignment):  # all positive, so that the ReLU is silent
        conv.weight.data.abs_()
        conv.get_parameter("bias").data.zero_()
    for parameter in module.adjacency.parameters():
        parameter.data.zero_()
    module.update.weight.data.copy_(torch.eye(4))
    x = features(2, 8, 5, 6).abs()
    states, assignment = module.states(x).flatten(2), module.assignment(x).flatten(2)
    affinity = torch.einsum("bni,bnj->bij", assignment, assignment) / 30
    gathered = (states @ affinity).reshape(2, 4, 5, 6)
    torch.testing.assert_close(
        module(x), x + module.norm(torch.einsum("cs,bshw->bchw", module.extend.weight, gathered))
    )


def test_glore_of_a_larger_picture_of_the_same():
    x = features(2, 16, 5, 6)
    module = awake(GloRe(16)).double().eval()
    torch.testing.assert_close(module(x.repeat(1, 1, 2, 3)), module(x).repeat(1, 1, 2, 3))
    sums = awake(GloRe(16, normalize=False)).double().eval()
    assert (sums(x.repeat(1, 1, 2, 3)) - sums(x).repeat(1, 1, 2, 3)).abs().max() > 1


def test_glore_starts_as_the_identity():
    x = features(2, 16, 5, 7, dtype=torch.float32)
    assert torch.equal(GloRe(16)(x), x)


# ----------------------------------------------------------------------------------------------------------- DGCNet


def test_dgcnet_that_hears_no_position_gates_all_alike():
    module = awake(DGCNet(8)).double().eval()
    for conv, _ in module.gate.shrink:
        conv.weight.data.zero_()
    gate = module.gate(features(2, 8, 13, 24))
    assert gate.min() >= 0
    assert gate.max() > 0
    torch.testing.assert_close(gate, gate[:, :, :1, :1].expand_as(gate))


def test_dgcnet_returns_what_it_read_to_its_place():
    """The centroid of what a pixel's gate reads, with alike weights and the graph's own part switched off."""
    module = DGCNet(4).double().eval().gate
    for conv, _ in module.shrink:
        conv.weight.data.fill_(0.1)
    module.out.get_parameter("1.weight").data.zero_()
    x = torch.ones(1, 4, 1, 64, dtype=torch.float64, requires_grad=True)
    gate = module(x)
    for pixel in range(64):
        (heard,) = torch.autograd.grad(gate[..., pixel].sum(), x, retain_graph=True)
        weight = heard.sum((0, 1, 2))
        centroid = (weight * torch.arange(64)).sum() / weight.sum()
        assert abs(centroid - pixel) < (1 if 8 <= pixel < 56 else 5)


# ----------------------------------------------------------------------------------------------------------- EncNet


def test_encnet_weighs_channels_between_once_and_twice():
    module = awake(EncNet(16)).double().eval()
    x = 0.1 + features(2, 16, 9, 11).abs()
    factor = module(x) / x
    torch.testing.assert_close(factor, factor[:, :, :1, :1].expand_as(x))
    assert 1 < factor.min() < factor.max() < 2


def test_encnet_shows_its_descriptor():
    module, seen = awake(EncNet(16)).double().eval(), []
    module.encoding.register_forward_hook(lambda _module, _inputs, descriptor: seen.append(descriptor))
    x = features(2, 16, 9, 11)
    y, descriptor = module(x), module.encode(x)
    assert descriptor.shape == (2, 16)
    torch.testing.assert_close(seen[0], descriptor)
    torch.testing.assert_close(y, torch.relu(x * (1 + torch.sigmoid(module.gate(descriptor)))[:, :, None, None]))


# ------------------------------------------------------------------------------------------------------ BeyondGrids


def test_each_unit_assigns_every_position_once():
    module = awake(BeyondGrids(8)).double()
    shares = torch.split(module._assigned(features(2, 8, 30)).exp(), list(module.nodes), dim=1)
    assert [share.shape[1] for share in shares] == [2, 4, 8, 32]
    for share in shares:
        torch.testing.assert_close(share.sum(1), torch.ones(2, 30, dtype=torch.float64))


def test_nodes_have_length_one_however_far_they_are():
    module = awake(BeyondGrids(8))
    x = 1e3 * features(2, 8, 30, dtype=torch.float32).requires_grad_()
    assigned = module._assigned(x)
    assert assigned.exp().sum(2).min() == 0  # nobody's anchor: the paper's mean is 0 / 0
    nodes = module._gathered(x, assigned)
    torch.testing.assert_close(nodes.norm(dim=2), torch.ones(2, 46))
    gradients = torch.autograd.grad((nodes * features(2, 46, 8, dtype=torch.float32)).sum(), [module.anchors, x])
    assert all(gradient.isfinite().all() for gradient in gradients)


# ------------------------------------------------------------------------------------------------------------- all


@pytest.mark.parametrize(("build", "nodes"), [(GloRe, 4), (EncNet, 32), (BeyondGrids, 46)])
def test_residuals_to_the_nodes_are_never_stored(build: Callable[[int], nn.Module], nodes: int):
    module = awake(build(16))
    x = features(1, 16, 40, 41, dtype=torch.float32).requires_grad_()
    with Watch() as watch:
        module(x).sum().backward()
    assert watch.largest <= 40 * 41 * max(nodes, 16)  # one row of numbers for each position, not nodes x channels


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: GloRe(3), "channels=3 and reduction=4"),
        (lambda: GloRe(8, reduction=0), "channels=8 and reduction=0"),
        (lambda: DGCNet(1, reduction=1), "2 channels or more .* channels=1"),
        (lambda: DGCNet(8, reduction=9), "channels=8 and reduction=9"),
        (lambda: EncNet(8, codewords=0), "EncNet needs codewords of 1 or more, got 0"),
        (lambda: EncNet(0), "EncNet needs channels of 1 or more, got 0"),
        (lambda: BeyondGrids(0), "BeyondGrids needs channels of 1 or more, got 0"),
        (lambda: BeyondGrids(8, nodes=()), r"nodes=\(\)"),
        (lambda: BeyondGrids(8, nodes=(2, 0)), r"nodes=\(2, 0\)"),
        (lambda: BeyondGrids(3), r"nodes=\(2, 4, 8, 32\) and channels=3"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(build: Callable[[], nn.Module], sentence: str):
    with pytest.raises(UserError, match=sentence):
        build()
