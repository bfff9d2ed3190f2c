"""Local distribution: its equations, its variants against their definitions, and where a mask looks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gald.distribution import DISTRIBUTORS, AverageDistribution, BilinearDistribution, MaskDistribution
from gald.errors import UserError

DISTRIBUTIONS = {name: part for name, part in DISTRIBUTORS.items() if name != "none"}
every_distribution = pytest.mark.parametrize("part", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
HAT, FLAT, SHARP = (0.5, 1.0, 0.5), (1.0, 1.0, 1.0), (0.2, 1.0, 0.2)


@every_distribution
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
@every_distribution
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
