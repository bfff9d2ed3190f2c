"""Point-wise spatial attention: its masks against loops, and what happens at their edges."""

from __future__ import annotations

import re

import pytest
import torch
from contract import Watch, awake, features
from definitions.layers import conv_norm_relu, convolved
from torch import Tensor

from gald.block.aggregation.psanet import PSANet, _offsets
from gald.support.errors import UserError


def in_loops(module: PSANet, x: Tensor) -> Tensor:
    """One picture, position by position, as the paper tells it."""
    height, width = x.shape[2:]
    places = [(row, column) for row in range(height) for column in range(width)]
    half = [side // 2 for side in module.collect.mask]

    def logit(masks: Tensor, i: tuple[int, int], j: tuple[int, int]) -> Tensor:
        row, column = j[0] - i[0] + half[0], j[1] - i[1] + half[1]
        inside = 0 <= row < module.collect.mask[0] and 0 <= column < module.collect.mask[1]
        return masks[row * module.collect.mask[1] + column, *i] if inside else masks.new_zeros(())

    branches = (module.collect, module.distribute)
    features_ = [conv_norm_relu(branch.reduce, x)[0] for branch in branches]
    adapted = [conv_norm_relu(branch.adapt, conv_norm_relu(branch.reduce, x)) for branch in branches]
    masks = [convolved(branch.weigh, each)[0] for branch, each in zip(branches, adapted, strict=True)]
    y = torch.zeros(2, features_[0].shape[0], height, width, dtype=x.dtype)
    for i in places:
        collect = torch.stack([logit(masks[0], i, j) for j in places]).softmax(0)
        distribute = torch.stack([logit(masks[1], j, i) for j in places]).softmax(0)
        for j, a, b in zip(places, collect, distribute, strict=True):
            y[0, :, *i] += a * features_[0][:, *j]
            y[1, :, *i] += b * features_[1][:, *j]
    both = conv_norm_relu(module.project, y.flatten(0, 1)[None])
    return conv_norm_relu(module.fuse, torch.cat([x, both], dim=1), 3)


@pytest.mark.parametrize("mask", [(1, 1), (3, 5), (7, 9), (11, 31)], ids=str)
@torch.no_grad()
def test_equals_loops_over_all_pairs(mask: tuple[int, int]):
    module = awake(PSANet(8, mask=mask)).double().eval()
    x = features(1, 8, 4, 5)
    torch.testing.assert_close(module(x), in_loops(module, x))


@torch.no_grad()
def test_offsets_beyond_the_mask_are_heard_alike():
    module = awake(PSANet(8, mask=(1, 1))).double().eval()
    x = features(1, 8, 3, 4)
    reduced, logits = module.collect(x, _offsets(3, 4, x.device)[None])
    own = module.collect.weigh(module.collect.adapt(reduced)).flatten()
    torch.testing.assert_close(logits[0], torch.diag(own))
    torch.testing.assert_close(logits[0, 0].softmax(0)[1:], (1 / (11 + own[0].exp())).expand(11))


def test_a_mask_larger_than_the_map_needs_is_cut():
    large, exact = awake(PSANet(8, mask=(15, 13))).double().eval(), PSANet(8, mask=(5, 7)).double().eval()
    state = large.state_dict()
    for branch in ("collect", "distribute"):
        weight = state[f"{branch}.weigh.weight"].reshape(15, 13, 2, 1, 1)
        state[f"{branch}.weigh.weight"] = weight[5:10, 3:10].flatten(0, 1)
    exact.load_state_dict(state)
    x = features(2, 8, 3, 4)
    torch.testing.assert_close(large(x), exact(x))


def test_memory_follows_the_map_not_the_mask():
    module = awake(PSANet(8)).eval()
    assert module.collect.weigh.weight.shape == (97 * 97, 2, 1, 1)
    with torch.no_grad(), Watch() as watch:
        module(features(1, 8, 12, 10, dtype=torch.float32))
    assert watch.largest == 12 * 10 * 23 * 19


@pytest.mark.parametrize("mask", [(96, 97), (97, 96), (0, 1), (-1, 3), (3, 3, 3), (3,), 97], ids=str)
def test_a_mask_without_a_centre_or_with_other_sides_is_refused(mask: tuple[int, int], untyped: None):
    with pytest.raises(UserError, match=rf"both odd and from 1 up, got {re.escape(str(mask))}"):
        PSANet(8, mask=mask)


def test_no_reduction_is_refused():
    with pytest.raises(UserError, match="PSANet needs a reduction of 1 or more, got 0"):
        PSANet(8, reduction=0)
