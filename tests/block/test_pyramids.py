"""Pyramids and dilated convolutions: how far they reach."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from contract import awake, features
from torch import nn

from gald.block.aggregation.aspp import ASPP
from gald.block.aggregation.dense_aspp import DenseASPP
from gald.block.aggregation.psp import PSP
from gald.support.errors import UserError


def test_aspp_without_its_image_reaches_exactly_its_dilation():
    module = awake(ASPP(4, dilations=(2, 5))).double().eval()
    module.fuse.get_parameter("0.weight").data[:, -2:] = 0  # deaf to the picture's mean
    x = features(16, 4, 1, 21).requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[..., 10].sum(), x)
    heard = gradient.abs().amax((0, 1, 2)).nonzero().flatten() - 10
    assert heard.tolist() == [-5, -2, 0, 2, 5]


def test_dense_aspp_hears_every_third_position_as_far_as_63():
    module = awake(DenseASPP(16)).double().eval()
    x = features(16, 16, 1, 140).requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[..., 70].sum(), x)
    heard = gradient.abs().amax((0, 1, 2)).nonzero().flatten() - 70
    assert heard.tolist() == list(range(-63, 64, 3))


@torch.no_grad()
def test_dense_aspp_concatenates_the_map_itself_not_its_positive_part():
    module = awake(DenseASPP(16)).double().eval()
    for layer in module.layers:
        layer[-1].weight.zero_()  # no layer adds anything
    x = -features(2, 16, 3, 4).abs()
    assert (module(x) - module(x.relu())).abs().max() > 0.1


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: PSP(3), r"bins=\(1, 2, 3, 6\) and channels=3"),
        (lambda: PSP(8, bins=(0,)), r"bins=\(0,\)"),
        (lambda: PSP(0), "PSP needs channels of 1 or more, got 0"),
        (lambda: ASPP(8, dilations=(6, 0)), r"one or more dilations of 1 or more, .*, got \(6, 0\)"),
        (lambda: ASPP(8, dilations=()), r"one or more dilations of 1 or more, .*, got \(\)"),
        (lambda: ASPP(8, reduction=0), "ASPP needs a reduction of 1 or more, got 0"),
        (lambda: ASPP(-8), "ASPP needs channels of 1 or more, got -8"),
        (lambda: DenseASPP(8, dilations=(3, 0)), r"one or more dilations of 1 or more, .*, got \(3, 0\)"),
        (lambda: DenseASPP(8, dilations=()), r"one or more dilations of 1 or more, .*, got \(\)"),
        (lambda: DenseASPP(0), "DenseASPP needs channels of 1 or more, got 0"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(build: Callable[[], nn.Module], sentence: str):
    with pytest.raises(UserError, match=sentence):
        build()


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: PSP(8, bins=6), "PSP needs bins from 1 up, .*, got bins=6"),
        (lambda: PSP(8, bins=(1, 2.5)), r"PSP needs bins from 1 up, .*, got bins=\(1, 2.5\)"),
        (lambda: ASPP(8, dilations=6), "ASPP needs one or more dilations .*, got 6"),
        (lambda: ASPP(8, reduction=2.5), "ASPP needs a reduction of 1 or more, got 2.5, which is no whole number"),
        (lambda: ASPP("8"), "ASPP needs channels of 1 or more, got '8', which is no whole number"),
    ],
)
def test_a_mistake_of_type_is_told_where_signatures_are_not_checked(
    build: Callable[[], nn.Module], sentence: str, untyped: None
):
    with pytest.raises(UserError, match=sentence):
        build()
