"""Local distribution: its equations, its variants against their definitions, where a mask looks, and the readings."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from contract import Watch, awake, features
from definitions.layers import conv_norm, conv_norm_relu, convolved, mute
from torch import Tensor, nn

from gald.block import part_class
from gald.block.distribution import DISTRIBUTORS
from gald.block.distribution.dynamic_kernel import DynamicKernelDistribution
from gald.block.distribution.gate import GateDistribution
from gald.block.distribution.mask import AverageDistribution, BilinearDistribution, MaskDistribution
from gald.block.distribution.window_affinity import WindowAffinityDistribution
from gald.support.errors import UserError

MASKS = {"mask": MaskDistribution, "average": AverageDistribution, "bilinear": BilinearDistribution}
PARTS = {name: part_class(entry) for name, entry in DISTRIBUTORS.items()}
READINGS = {name: part for name, part in PARTS.items() if getattr(part, "relates", False)}
WINDOWS = {name: READINGS[name] for name in ("window_affinity", "dynamic_kernel")}
every_mask = pytest.mark.parametrize("part", MASKS.values(), ids=MASKS)
every_reading = pytest.mark.parametrize("part", READINGS.values(), ids=READINGS)
every_window = pytest.mark.parametrize("part", WINDOWS.values(), ids=WINDOWS)
HAT, FLAT, SHARP = (0.5, 1.0, 0.5), (1.0, 1.0, 1.0), (0.2, 1.0, 0.2)


@pytest.mark.parametrize("part", [*MASKS.values(), GateDistribution], ids=[*MASKS, "gate"])
def test_equations_1_and_2(part: Callable[[int], nn.Module]):
    torch.manual_seed(0)
    module, seen = part(8).double(), []
    module.mask.register_forward_hook(lambda _module, _inputs, mask: seen.append(mask))
    x = torch.randn(2, 8, 19, 30, dtype=torch.float64)
    y = module(x)
    (mask,) = seen
    assert mask.shape == x.shape  # one map per channel and position
    assert 0 < mask.min() < 0.5 < mask.max() < 1  # both halves: no ReLU before the sigmoid
    torch.testing.assert_close(y, mask * x + x)


def test_the_mask_by_hand():
    """One channel, a constant map of 2: three convolutions of ones see 9, 9 and 9 cells inside, fewer at the border."""
    module = MaskDistribution(1).eval()
    for name, parameter in module.named_parameters():
        if name.endswith("0.weight"):
            parameter.data.fill_(0.01)
    norm = (1 + 1e-5) ** -0.5
    mask = module.mask(torch.full((1, 1, 65, 65), 2.0))
    inside = 2 * (9 * 0.01 * norm) ** 3
    # along an axis the first cell of layer 1 sees 2 pixels, the others 3; that of layer 2 sees 2 + 3, of layer 3 5 + 9
    corner = 2 * (0.01 * norm) ** 3 * (5 + 9) ** 2
    assert mask[0, 0, 32, 32].item() == pytest.approx(torch.sigmoid(torch.tensor(inside)).item(), abs=1e-6)
    assert mask[0, 0, 0, 0].item() == pytest.approx(torch.sigmoid(torch.tensor(corner)).item(), abs=1e-6)


@pytest.mark.parametrize("ratio", [2, 4, 8, 16])
def test_a_convolution_for_each_halving(ratio: int):
    module = MaskDistribution(8, ratio=ratio)
    convolutions = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    assert 2 ** len(convolutions) == ratio
    assert all(layer.groups == 8 and layer.stride == (2, 2) and layer.bias is None for layer in convolutions)
    assert sum(isinstance(layer, nn.ReLU) for layer in module.modules()) == len(convolutions) - 1
    assert not list(AverageDistribution(8, ratio=ratio).parameters())


def filled(x: Tensor, ratio: int) -> Tensor:
    """Up to whole cells, by repeating the last row and column."""
    rows, columns = (torch.arange(-(-side // ratio) * ratio).clamp(max=side - 1) for side in x.shape[2:])
    return x[:, :, rows][:, :, :, columns]


@pytest.mark.parametrize("ratio", [2, 3, 5, 8])
@pytest.mark.parametrize("size", [(1, 1), (7, 8), (16, 24), (17, 31)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_cells_equal_their_definition(ratio: int, size: tuple[int, int]):
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole = filled(x, ratio)
    cells = (whole.shape[2] // ratio, whole.shape[3] // ratio)
    for part, shrunk in {
        AverageDistribution: F.adaptive_avg_pool2d(whole, cells),
        BilinearDistribution: F.interpolate(whole, cells, mode="bilinear", align_corners=False),
    }.items():
        enlarged = F.interpolate(shrunk, whole.shape[2:], mode="bilinear", align_corners=False)
        expected = torch.sigmoid(enlarged)[:, :, : size[0], : size[1]]
        torch.testing.assert_close(part(3, ratio=ratio).mask(x), expected)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: MaskDistribution(8, ratio=6), "2, 4, 8, ..., got 6"),
        (lambda: MaskDistribution(8, ratio=1), "got 1"),
        (lambda: AverageDistribution(8, ratio=1), "2 or more, got 1"),
        (lambda: BilinearDistribution(8, ratio=0), "2 or more, got 0"),
    ],
)
def test_a_wrong_ratio_is_told(build: Callable[[], nn.Module], sentence: str):
    with pytest.raises(UserError, match=sentence):
        build()


# ------------------------------------------------------------------------------------------------- where a mask looks


def mask_with(part: type[nn.Module], kernel: tuple[float, ...]) -> nn.Module:
    """A mask whose convolutions all have the same separable kernel (the norms change nothing)."""
    module = part(1).double().eval()
    for name, parameter in module.named_parameters():
        if name.endswith("0.weight"):
            parameter.data.copy_(torch.outer(torch.tensor(kernel), torch.tensor(kernel))[None, None])
    return module.mask


def response(mask: nn.Module, rows: Tensor) -> Tensor:
    """What comes back, before the sigmoid, along the same row of a map that is ``rows[i]`` in each of its rows."""
    size = rows.shape[1]
    with torch.no_grad():
        return torch.logit(mask(1e-4 * rows[:, None, None].expand(-1, 1, size, size)))[:, 0, size // 2] * 1e4


@pytest.mark.parametrize("size", [97, 96, 100, 89])
@pytest.mark.parametrize("kernel", [HAT, FLAT, SHARP], ids=["hat", "flat", "sharp"])
def test_an_impulse_comes_back_to_where_it_was(size: int, kernel: tuple[float, ...]):
    mask = mask_with(MaskDistribution, kernel)
    impulses = torch.eye(size, dtype=torch.float64)
    answers = response(mask, impulses)
    position = torch.arange(size)
    for sample in range(0, size, 8):  # symmetric about every sample, at the left, in the middle, at the right
        reach = min(sample, size - 1 - sample)
        if reach and (8 <= sample < size - 8):
            answer = answers[sample]
            torch.testing.assert_close(answer[sample - reach : sample], answer[sample + 1 : sample + reach + 1].flip(0))
        assert answers[sample].argmax() == sample
    centroid = (answers * position).sum(1) / answers.sum(1)
    distance = (centroid - position).abs()
    assert distance[8 : size - 8].max() < 1.2  # a pixel of the map
    assert distance.max() < 4.5  # the borders cut off one side of what comes back


@pytest.mark.parametrize("size", range(89, 98))
@every_mask
def test_a_pixel_reads_around_itself(part: type[nn.Module], size: int):
    """A ramp over a constant: the centroid of what each pixel's mask reads."""
    position = torch.arange(size, dtype=torch.float64)
    for kernel in (HAT, FLAT, SHARP):
        ramp, constant = response(mask_with(part, kernel), torch.stack([position, torch.ones_like(position)]))
        distance = (ramp / constant - position).abs()
        assert distance[8 : size - 8].max() < 1
        assert distance.max() < 5
        if part is MaskDistribution and size == 97:
            assert distance[8:-8].max() < 1e-4


@pytest.mark.parametrize("size", [33, 65, 97])
def test_left_and_right_are_alike_where_the_samples_end_on_both_borders(size: int):
    mask = mask_with(MaskDistribution, SHARP)
    x = torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(mask(x.flip(2, 3)), mask(x).flip(2, 3))


# ------------------------------------------------------------------------- the readings: what relates G with F, x and y


def test_who_relates():
    assert {*READINGS} == {"gate", *WINDOWS}


def unfolded(x: Tensor, window: int) -> Tensor:
    """Every neighbour of every pixel, (B, C, window^2, H, W)."""
    return F.unfold(x, window, padding=window // 2).unflatten(1, (x.shape[1], -1)).unflatten(3, x.shape[2:])


def weights(scores: Tensor, window: int) -> Tensor:
    """The softmax over those neighbours that are pixels of the map."""
    kept = scores.exp() * unfolded(torch.ones_like(scores[:, :1]), window)[:, 0]
    return kept / kept.sum(1, keepdim=True)


def literal_gate(module: GateDistribution, x: Tensor, local: Tensor) -> Tensor:
    compare, look, expand = module.mask.psi
    hidden = conv_norm_relu(compare, torch.cat([x, local], 1))
    hidden = conv_norm_relu(look, hidden, 3, groups=hidden.shape[1])
    return local + torch.sigmoid(conv_norm(expand, hidden)) * x


def literal_window_affinity(module: WindowAffinityDistribution, x: Tensor, local: Tensor) -> Tensor:
    query, key = convolved(module.affinity.query, local), convolved(module.affinity.key, x)
    key = unfolded(key, module.window)
    affinity = weights(torch.einsum("bdhw,bdkhw->bkhw", query, key) / query.shape[1] ** 0.5, module.window)
    return local + torch.einsum("bkhw,bckhw->bchw", affinity, unfolded(convolved(module.value, x), module.window))


def literal_dynamic_kernel(module: DynamicKernelDistribution, x: Tensor, local: Tensor) -> Tensor:
    scores = convolved(module.affinity.encode, conv_norm_relu(module.affinity.compress, torch.cat([x, local], 1)), 3)
    affinity = weights(scores, module.window)
    return local + torch.einsum("bkhw,bckhw->bchw", affinity, unfolded(x, module.window))


LITERAL = {
    "gate": (GateDistribution(6), literal_gate),
    "gate-1": (GateDistribution(6, reduction=1), literal_gate),
    "window_affinity": (WindowAffinityDistribution(6), literal_window_affinity),
    "window_affinity-1": (WindowAffinityDistribution(6, window=1, reduction=8), literal_window_affinity),
    "window_affinity-3": (WindowAffinityDistribution(6, window=3, reduction=1), literal_window_affinity),
    "dynamic_kernel": (DynamicKernelDistribution(6), literal_dynamic_kernel),
    "dynamic_kernel-7": (DynamicKernelDistribution(6, window=7, width=3), literal_dynamic_kernel),
}


@pytest.mark.parametrize(("module", "literal"), LITERAL.values(), ids=LITERAL)
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (9, 7)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_a_reading_equals_its_definition(
    module: nn.Module, literal: Callable[..., Tensor], size: tuple[int, int], training: bool
):
    awake(module).double().train(training)
    x, local, r = (features(2, 6, *size, seed=seed).requires_grad_(seed < 3) for seed in (1, 2, 3))
    # a window of one place has nothing to weigh: its queries and keys get zeros, and in the literal form nothing
    wanted = [x, local, *module.parameters()]
    expected, y = literal(module, x, local), module(x, local)
    torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-11)
    for actual, gradient in zip(
        torch.autograd.grad((y * r).sum(), wanted), torch.autograd.grad((expected * r).sum(), wanted), strict=True
    ):
        torch.testing.assert_close(actual, gradient, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", LITERAL)
def test_a_definition_reads_weights_and_calls_no_layer(name: str):
    module, literal = copy.deepcopy(LITERAL[name][0]), LITERAL[name][1]
    mute(awake(module).double())
    literal(module, features(2, 6, 5, 7), features(2, 6, 5, 7, seed=2))


@every_reading
def test_alone_a_reading_takes_its_input_for_both(part: type[nn.Module]):
    module, x = awake(part(16)).eval(), features(2, 16, 7, 9, dtype=torch.float32)
    assert torch.equal(module(x), module(x, x))
    assert not torch.equal(module(x), module(x, x.flip(1)))


@every_window
def test_a_hook_sees_an_affinity_that_sums_to_one(part: type[nn.Module]):
    module, seen = awake(part(8)).double(), []
    module.affinity.register_forward_hook(lambda _module, _inputs, affinity: seen.append(affinity))
    module(features(2, 8, 6, 9), features(2, 8, 6, 9, seed=2))
    (affinity,) = seen
    assert affinity.shape == (2, 25, 6, 9)
    assert affinity.min() == 0  # neighbours beyond the border, and only they
    assert torch.equal(affinity > 0, (unfolded(torch.ones(1, 1, 6, 9), 5)[:, 0] > 0).expand(2, -1, -1, -1))
    torch.testing.assert_close(affinity.sum(1), torch.ones(2, 6, 9, dtype=torch.float64))
    corner = affinity[:, :, 0, 0].unflatten(1, (5, 5))
    assert corner[:, :2].count_nonzero() == corner[:, :, :2].count_nonzero() == 0  # row by row: above and left of it


def kept_bytes(module: nn.Module, x: Tensor, local: Tensor) -> int:
    """What autograd keeps for the backward pass; views of one tensor count once."""
    storages = {}

    def note(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        module(x, local)  # the storages are held, or their addresses would be given out again
    return sum(storage.nbytes() for storage in storages.values())


@every_window
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
def test_no_copy_of_the_map_for_each_place_in_the_window(part: type[nn.Module], half: bool):
    module = awake(part(64, window=7))
    x, local = (features(1, 64, 20, 21, dtype=torch.float32, seed=seed).requires_grad_() for seed in (1, 2))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        with Watch() as watch:
            module(x, local).sum().backward()
        kept = kept_bytes(module, x, local)
    assert (
        watch.largest <= 2 * 64 * 26 * 27
    )  # G and F side by side, or the padded map; unfolded it were 49 * 64 * 20 * 21
    assert kept < 10 * x.nbytes


@every_reading
def test_a_constant_map_stays_constant(part: type[nn.Module]):
    """Inside for the gate, whose depth-wise convolution sees zeros beyond the border; everywhere for the windows."""
    module = awake(part(8)).double().eval()
    constants = features(1, 8, 1, 1), features(1, 8, 1, 1, seed=2)
    y = module(*(constant.expand(1, 8, 9, 12) for constant in constants))
    inside = y[..., 2:-2, 2:-2] if part is GateDistribution else y
    torch.testing.assert_close(inside, inside[..., :1, :1].expand_as(inside))
    if part is DynamicKernelDistribution:
        torch.testing.assert_close(y, sum(constants).expand_as(y))


def mirrored(weight: Tensor) -> Tensor:
    return weight + weight.flip(-1, -2)


def symmetric(module: nn.Module) -> nn.Module:
    """Its convolutions look alike in all directions, and score a place in the window as the one across."""
    for name, parameter in module.named_parameters():
        if name.startswith("affinity.encode"):
            across = parameter.flip(0) if parameter.ndim == 1 else parameter.flip(0, -1, -2)
            parameter.data.add_(across.detach().clone())
        elif parameter.ndim == 4:
            parameter.data.copy_(mirrored(parameter))
    return module


@every_reading
@pytest.mark.parametrize("place", [(8, 9), (5, 12), (1, 3), (16, 18)], ids=lambda place: f"{place[0]},{place[1]}")
def test_a_reading_answers_an_impulse_around_it(part: type[nn.Module], place: tuple[int, int]):
    """Half a turn about the impulse changes nothing in the answer, whether it comes in G or in F."""
    module = symmetric(awake(part(8))).double().eval()
    size, (row, column) = (17, 19), place
    impulse = torch.zeros(1, 8, *size, dtype=torch.float64)
    impulse[:, :, row, column] = features(1, 8)
    base = [features(1, 8, 1, 1, seed=seed).expand_as(impulse) for seed in (2, 3)]
    for x, local in [(base[0] + impulse, base[1]), (base[0], base[1] + impulse)]:
        answer = module(x, local) - module(*base)
        assert answer.abs().max() > 1e-3
        turned = module(x.flip(2, 3), local.flip(2, 3)) - module(*base).flip(2, 3)
        torch.testing.assert_close(turned, answer.flip(2, 3))
        reach = min(row, column, size[0] - 1 - row, size[1] - 1 - column)
        if reach >= 4:  # far enough from the borders for all that it reaches
            around = answer[:, :, row - reach : row + reach + 1, column - reach : column + reach + 1]
            torch.testing.assert_close(around, around.flip(2, 3))
            away = answer.clone()
            away[:, :, row - 4 : row + 5, column - 4 : column + 5] = 0
            assert away.abs().max() < 1e-12  # and it stays around it


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: GateDistribution(0), "GateDistribution needs channels of 1 or more, got 0"),
        (lambda: GateDistribution(8, reduction=0), "reduction of 1 or more, got 0"),
        (lambda: WindowAffinityDistribution(8, window=4), "odd window of 1 or more .*, got 4"),
        (lambda: WindowAffinityDistribution(8, window=-1), "got -1"),
        (lambda: WindowAffinityDistribution(-2), "channels of 1 or more, got -2"),
        (lambda: WindowAffinityDistribution(8, reduction=0), "reduction of 1 or more, got 0"),
        (lambda: DynamicKernelDistribution(8, window=0), "DynamicKernelDistribution needs an odd window .*, got 0"),
        (lambda: DynamicKernelDistribution(0), "channels of 1 or more, got 0"),
        (lambda: DynamicKernelDistribution(8, width=0), "width of 1 or more, got 0"),
    ],
)
def test_a_wrong_option_of_a_reading_is_told(build: Callable[[], nn.Module], sentence: str):
    with pytest.raises(UserError, match=sentence):
        build()


@every_reading
@pytest.mark.parametrize("shape", [(1, 8, 5, 5), (2, 8, 4, 5), (2, 4, 5, 5), (8, 5, 5)], ids=str)
def test_a_local_feature_of_another_shape_is_told(part: type[nn.Module], shape: tuple[int, ...]):
    with pytest.raises(
        UserError, match=rf"{part.__name__} needs a local feature .* got \({shape[0]}, .* and \(2, 8, 5"
    ):
        part(8)(features(2, 8, 5, 5), features(*shape))
