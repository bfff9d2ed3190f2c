"""Attention: what it never stores, who hears whom, where it starts, and what it is where the answer is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from contract import Watch, awake, features
from torch import Tensor, nn

from gald.block.aggregation.a2 import A2
from gald.block.aggregation.ann import ANN
from gald.block.aggregation.ccnet import CCNet
from gald.block.aggregation.danet import CAM, PAM, DANet
from gald.block.aggregation.nonlocal_ import NonLocal, NonLocalConcatenation, NonLocalDot, NonLocalGaussian
from gald.block.aggregation.ocnet import OCNet
from gald.support.errors import UserError

FUSED = [NonLocal, NonLocalGaussian, PAM, DANet, OCNet, ANN]  # softmax attention by the fused kernel
LEAN = [*FUSED, NonLocalDot, NonLocalConcatenation, A2, CAM, CCNet]
REDUCING = [part for part in LEAN if part is not CAM]  # with an inner width

# ---------------------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["nchw", "nhwc"])
@pytest.mark.parametrize("half", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("part", LEAN)
def test_position_by_position_is_never_stored(
    part: Callable[[int], nn.Module], half: bool, memory_format: torch.memory_format
):
    module = awake(part(8))
    x = features(1, 8, 40, 41, dtype=torch.float32).to(memory_format=memory_format).requires_grad_()
    with Watch() as watch:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            y = module(x)
        y.sum().backward()
    most = 40 * 41 * (40 + 41) if part is CCNet else (40 * 41) ** 2 / 50
    assert watch.largest <= most
    if part in FUSED:
        assert any("_scaled_dot_product_flash_attention_for_cpu.default" in name for name in watch.operators)
        assert any("_scaled_dot_product_flash_attention_for_cpu_backward" in name for name in watch.operators)


# ------------------------------------------------------------------------------------------------- where it starts


@pytest.mark.parametrize(
    "part",
    [NonLocal, NonLocalGaussian, NonLocalDot, NonLocalConcatenation, CCNet, PAM, CAM],
    ids=lambda part: part.__name__,
)
def test_starts_as_the_identity(part: Callable[[int], nn.Module]):
    x = features(2, 16, 5, 7, dtype=torch.float32)
    assert torch.equal(part(16)(x), x)


@pytest.mark.parametrize("part", [OCNet, ANN])
def test_the_context_is_silent_at_first(part: Callable[[int], nn.Module]):
    module = part(16).double().eval()
    x = features(1, 16, 5, 7).requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[..., 0, 0].sum(), x)
    assert torch.equal(gradient.abs().sum(1).nonzero(), torch.tensor([[0, 0, 0]]))


# ------------------------------------------------------------------------------------------------------- non-local


def test_the_dot_product_form_is_linear_in_what_is_gathered():
    module = awake(NonLocalDot(16)).double().eval()
    x, still = features(1, 16, 5, 7), module.project(torch.zeros(1, 8, 5, 7, dtype=torch.float64))
    once = module(x) - x - still
    for parameter in module.g.parameters():
        parameter.data.mul_(3)
    torch.testing.assert_close(module(x) - x - still, 3 * once)


def test_the_concatenation_form_hears_nobody_without_its_weights():
    module = awake(NonLocalConcatenation(16)).double().eval()
    module.pair.weight.data.zero_()
    x = features(1, 16, 5, 7)
    torch.testing.assert_close(module(x), x + module.project(torch.zeros(1, 8, 5, 7, dtype=torch.float64)))


@pytest.mark.parametrize("level", [-3.0, 0.0, 3.0], ids=["nobody", "some", "everybody"])
def test_the_concatenation_form_where_nobody_or_everybody_is_heard(level: float):
    """Theta a constant a far from phi: all sums ``a + b_j`` have its sign, so the result is 0, or linear in g."""
    module = awake(NonLocalConcatenation(4, reduction=2)).double().eval()
    module.theta.weight.data.zero_()
    module.theta.get_parameter("bias").data = torch.tensor([100 * level, 0.0], dtype=torch.float64)
    module.pair.weight.data[0, 0] = 1
    x = features(1, 4, 6, 5)
    b = (module.phi(x) * module.pair.weight[0, 2:]).sum(1, keepdim=True)
    expected = (module.g(x) * torch.relu(100 * level + b)).mean((2, 3), keepdim=True).expand(-1, -1, 6, 5)
    torch.testing.assert_close(module(x), x + module.project(expected))


def test_running_sums_are_exact_enough_on_a_large_map():
    """Half precision would lose them: 24 bits for the sum over 10 000 positions."""
    module = awake(NonLocalConcatenation(16)).eval()
    x = features(1, 16, 100, 100, dtype=torch.float32)
    with torch.no_grad():
        single = module(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            autocast = module(x)
        double = module.double()(x.double())
    assert (single - double).abs().max() < 1e-5
    assert (autocast - double).abs().max() < 0.02 * (double - x).abs().max()


# -------------------------------------------------------------------------------------------------- double attention


def test_equal_descriptors_add_the_same_everywhere():
    module = awake(A2(16)).double()
    module.b.weight.data.zero_()  # each descriptor is then the plain mean of the map
    x = features(2, 16, 5, 7)
    added = module(x) - x
    torch.testing.assert_close(added, added.mean((2, 3), keepdim=True).expand_as(added))


# ------------------------------------------------------------------------------------------------------ criss-cross


def heard(module: nn.Module, row: int, column: int) -> Tensor:
    """Which positions of a 5x7 map one output hears."""
    x = features(1, 8, 5, 7).requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[..., row, column].sum(), x)
    return gradient[0].abs().amax(0) > 1e-12


def test_criss_cross_hears_its_cross_and_twice_all():
    cross = torch.zeros(5, 7, dtype=torch.bool)
    cross[2, :] = cross[:, 3] = True
    assert torch.equal(heard(awake(CCNet(8, recurrence=1)).double(), 2, 3), cross)
    assert heard(awake(CCNet(8)).double(), 2, 3).all()


@pytest.mark.parametrize("size", [(5, 7), (1, 6), (6, 1), (1, 1)])
@pytest.mark.parametrize("recurrence", [1, 2, 3])
def test_criss_cross_is_attention_with_all_others_masked(size: tuple[int, int], recurrence: int):
    module = awake(CCNet(8, recurrence=recurrence)).double()
    x = y = features(2, 8, *size)
    row, column = (each.flatten() for each in torch.meshgrid(*map(torch.arange, size), indexing="ij"))
    others = (row[:, None] != row) & (column[:, None] != column)
    for _ in range(recurrence):
        query, key, value = (conv(y).flatten(2) for conv in (module.query, module.key, module.value))
        weights = (query.transpose(1, 2) @ key).masked_fill(others, float("-inf")).softmax(2)
        y = y + module.gamma * (value @ weights.transpose(1, 2)).reshape(y.shape)
    torch.testing.assert_close(module(x), y)


def test_criss_cross_commutes_with_moving_whole_rows_and_columns():
    module = awake(CCNet(8)).double()
    x = features(1, 8, 5, 7)
    rows, columns = torch.tensor([3, 0, 4, 1, 2]), torch.tensor([6, 2, 0, 1, 5, 3, 4])
    torch.testing.assert_close(module(x[:, :, rows]), module(x)[:, :, rows])
    torch.testing.assert_close(module(x[..., columns]), module(x)[..., columns])
    torch.testing.assert_close(module(x.transpose(2, 3)), module(x).transpose(2, 3))


# --------------------------------------------------------------------------------------------------- dual attention


@pytest.mark.parametrize("part", [PAM, lambda channels: CCNet(channels, recurrence=1)], ids=["pam", "ccnet"])
def test_weights_of_attention_are_one_in_all(part: Callable[[int], nn.Module]):
    module = awake(part(8)).double()
    module.value.weight.data.zero_()
    x = features(1, 8, 5, 7)
    added = (module.gamma * module.value.bias)[:, None, None].expand_as(x)
    torch.testing.assert_close(module(x) - x, added)


def test_channel_attention_commutes_with_any_rotation_of_positions():
    module = awake(CAM(8)).double()
    x = features(1, 8, 5, 7)
    rotation, _ = torch.linalg.qr(features(35, 35, seed=4))
    turned = (module(x).flatten(2) @ rotation).reshape(x.shape)
    torch.testing.assert_close(module((x.flatten(2) @ rotation).reshape(x.shape)), turned)


def test_channel_attention_commutes_with_permuting_channels_and_goes_to_the_least_alike():
    module = CAM(3).double()
    module.gamma.data.fill_(1)
    x = features(1, 3, 5, 7)
    x[:, 2] = -x[:, 0]  # 0 and 2 are each other's opposites
    torch.testing.assert_close(module(x.flip(1)), module(x).flip(1))
    torch.testing.assert_close((module(x) - x)[:, 0], x[:, 2])


# --------------------------------------------------------------------------------------------------- object context


def test_cells_as_small_as_positions_are_the_whole_map():
    module = awake(OCNet(16)).double()
    pooled = ANN(16, bins=(6,)).double()
    pooled.load_state_dict(module.state_dict())
    x = features(2, 16, 6, 6)
    torch.testing.assert_close(pooled(x), module(x))


def test_one_cell_gives_all_positions_the_same_context():
    module = awake(ANN(16, bins=(1,))).double().eval()
    x = features(1, 16, 5, 7)
    x[..., 4, 6] = x[..., 0, 0]
    y = module(x)
    torch.testing.assert_close(y[..., 4, 6], y[..., 0, 0])


# ------------------------------------------------------------------------------------------------------- the edges


@pytest.mark.parametrize("part", [part for part in LEAN if part is not A2])
def test_one_channel_serves_too(part: Callable[[int], nn.Module]):
    x = features(1, 1, 3, 2, dtype=torch.float32).requires_grad_()
    y = awake(part(1))(x)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


# --------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: A2(7), "2 or more, as it mixes that many descriptors, got channels=7 and reduction=4"),
        (lambda: CCNet(8, recurrence=0), "a recurrence of 1 or more, got 0"),
        (lambda: ANN(8, bins=()), r"ANN needs bins from 1 up, as in .*, got bins=\(\)"),
        (lambda: ANN(8, bins=(3, 0)), r"ANN needs bins from 1 up, as in .*, got bins=\(3, 0\)"),
        (lambda: PAM(8, reduction=-1), "PAM needs a reduction of 1 or more, got -1"),
        (lambda: CAM(0), "CAM needs channels of 1 or more, got 0"),
        *(
            (lambda part=part: part(8, reduction=0), f"{part.__name__} needs a reduction .*, got 0")
            for part in REDUCING
        ),
        *((lambda part=part: part(0), f"{part.__name__} needs channels .*, got 0") for part in REDUCING),
    ],
)
def test_a_mistake_is_told_in_a_sentence(build: Callable[[], nn.Module], sentence: str):
    with pytest.raises(UserError, match=sentence):
        build()
