"""Gradients of depth-wise convolutions: those of torch, in every layout."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from fake import camvid as fake_camvid
from timm.layers import Conv2dSame
from torch import Tensor, nn

from gald.block.depthwise import DepthwiseConvolution, depthwise, train_depthwise_fast
from gald.config.network import SegmenterConfig
from gald.config.settings import SegmentationConfig, SegmentationDataConfig
from gald.engine.build import build_network
from gald.engine.tasks.segmentation import SegmentationTask
from gald.models.segmenter import Segmenter
from gald.support.device import create_fabric

LAYOUTS = [
    each
    for each in product((1, 2, 3, 5, 7), (1, 2, 3), (0, 1, 2, 5), (1, 2, 3), ((9, 12), (1, 1), (15, 14)))
    if min(each[4]) + 2 * each[2] > each[3] * (each[0] - 1)  # else nothing comes out
]


def gradients(function: Callable[..., Tensor], x: Tensor, weight: Tensor, **layout: object) -> tuple[Tensor, ...]:
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    y = function(x, weight, groups=x.shape[1], **layout)
    y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).bfloat16().to(y))  # exact in any type
    assert x.grad is not None
    assert weight.grad is not None
    return y.detach(), x.grad, weight.grad


def agree(one: tuple[Tensor, ...], other: tuple[Tensor, ...], atol: float) -> None:
    for mine, theirs in zip(one, other, strict=True):
        assert mine.dtype == theirs.dtype
        torch.testing.assert_close(mine, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("last", [False, True])
def test_gradients_are_torchs_own_in_every_layout(last: bool) -> None:
    assert len(LAYOUTS) > 300
    for kernel, stride, padding, dilation, (height, width) in LAYOUTS:
        x, weight = torch.randn(2, 6, height, width).double(), torch.randn(6, 1, kernel, kernel).double()
        if last:
            x = x.contiguous(memory_format=torch.channels_last)
        layout = {"stride": stride, "padding": padding, "dilation": dilation}
        agree(gradients(depthwise, x, weight, **layout), gradients(F.conv2d, x, weight, **layout), 1e-11)


def test_uneven_kernels_and_layouts() -> None:
    x, weight = torch.randn(2, 4, 11, 13).double(), torch.randn(4, 1, 1, 5).double()
    for layout in (
        {"padding": (0, 2)},
        {"stride": (2, 1), "padding": (1, 2), "dilation": (3, 1)},
        {"stride": (1, 3), "dilation": (1, 2)},
        {"padding": "same"},  # left to torch
    ):
        agree(gradients(depthwise, x, weight, **layout), gradients(F.conv2d, x, weight, **layout), 1e-11)


def test_gradcheck() -> None:
    x, weight = torch.randn(1, 2, 5, 4).double().requires_grad_(), torch.randn(2, 1, 3, 3).double().requires_grad_()
    for layout in (((1, 1), (2, 2), (2, 2)), ((2, 2), (1, 1), (1, 1)), ((1, 1), (1, 1), (1, 1))):
        assert torch.autograd.gradcheck(DepthwiseConvolution.apply, (x, weight, None, *layout))


@pytest.mark.parametrize("layout", [{"padding": 2}, {"padding": 2, "stride": 2}, {"padding": 4, "dilation": 2}])
def test_under_autocast_outputs_are_the_same_and_gradients_nearer_to_the_exact_ones(layout: dict[str, int]) -> None:
    x, weight = torch.randn(4, 16, 20, 20), torch.randn(16, 1, 5, 5)
    low, low_weight = x.bfloat16(), weight.bfloat16()  # what both sides compute with
    exact = gradients(F.conv2d, low.double(), low_weight.double(), **layout)
    with torch.autocast("cpu", torch.bfloat16):  # backward too
        mine, theirs = gradients(depthwise, x, weight, **layout), gradients(F.conv2d, x, weight, **layout)
    torch.testing.assert_close(mine[0], theirs[0])
    assert mine[0].dtype == torch.bfloat16
    off, off_theirs = ([(each[i] - exact[i]).abs().max().item() for i in (1, 2)] for each in (mine, theirs))
    assert mine[1].dtype == mine[2].dtype == torch.float32
    assert off[0] <= 1.01 * off_theirs[0]
    assert off[1] < 0.01 * off_theirs[1], "the weight's is summed in float32"


def test_under_autocast_a_plain_3x3_is_left_to_torch() -> None:
    x, weight = torch.randn(4, 16, 20, 20), torch.randn(16, 1, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        mine, theirs = gradients(depthwise, x, weight, padding=1), gradients(F.conv2d, x, weight, padding=1)
    torch.testing.assert_close(mine[2], theirs[2])


def test_a_bias_learns_too() -> None:
    found = []
    for function in (depthwise, F.conv2d):
        torch.manual_seed(0)
        x, weight, bias = torch.randn(2, 3, 9, 9), torch.randn(3, 1, 7, 7), torch.randn(3, requires_grad=True)
        function(x, weight, bias, padding=3, groups=3).square().sum().backward()
        assert bias.grad is not None
        found.append(bias.grad)
    torch.testing.assert_close(*found)


def test_it_is_differentiated_once() -> None:
    x, weight = torch.randn(1, 3, 8, 8, requires_grad=True), torch.randn(3, 1, 5, 5, requires_grad=True)
    (slope,) = torch.autograd.grad(depthwise(x, weight, padding=2, groups=3).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_frozen_weights_and_pictures_get_no_gradient() -> None:
    x, weight = torch.randn(1, 3, 8, 8), torch.randn(3, 1, 5, 5, requires_grad=True)
    depthwise(x, weight, padding=2, groups=3).sum().backward()
    assert weight.grad is not None
    assert x.grad is None
    x.requires_grad_()
    depthwise(x, weight.detach(), padding=2, groups=3).sum().backward()
    assert x.grad is not None


class Mixed(nn.Module):
    """Convolutions that must be left as they are, and three that must not."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(4, 4, 3, padding=1)
        self.doubled = nn.Conv2d(4, 8, 3, padding=1, groups=4, bias=False)
        self.one = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        self.biased = nn.Conv2d(4, 4, 5, padding=2, groups=4)
        self.depthwise = nn.Conv2d(4, 4, 5, padding=2, groups=4, bias=False, padding_mode="reflect")
        self.same = Conv2dSame(4, 4, 5, stride=2, groups=4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise(self.biased(self.plain(x)))
        return self.same(x) + self.doubled(x).mean() + self.one(x[:, :1]).mean()


def test_a_network_keeps_its_outputs_keys_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Mixed()
    keys, x = list(network.state_dict()), torch.randn(2, 4, 9, 11)
    counted: list[int] = []
    own = DepthwiseConvolution.apply
    monkeypatch.setattr(DepthwiseConvolution, "apply", lambda *each: (counted.append(1), own(*each))[1])

    def run() -> list[Tensor]:
        network.zero_grad()
        y = network(x)
        y.square().mean().backward()
        return [y.detach(), *(each.grad.clone() for each in network.parameters() if each.grad is not None)]

    before = run()
    assert not counted
    train_depthwise_fast(network)
    after = run()
    assert len(counted) == 3
    assert list(network.state_dict()) == keys
    assert len(before) == len(after) == 1 + len(list(network.parameters()))
    for mine, theirs in zip(after, before, strict=True):
        torch.testing.assert_close(mine, theirs)
    counted.clear()
    with torch.no_grad():
        torch.testing.assert_close(network(x), before[0])
    assert not counted
    assert network.biased(torch.zeros(4, 5, 5)).shape == (4, 5, 5)  # no batch


def test_a_segmenter_trains_the_same_with_it() -> None:
    torch.manual_seed(0)
    network = Segmenter("test_efficientnet", 3, ga="psp", channels=8, output_stride=16, aux=False).train()
    network = network.to(memory_format=torch.channels_last)
    images = torch.rand(2, 3, 40, 48)
    found = []
    for patched in (False, True):
        if patched:
            train_depthwise_fast(network)
        network.zero_grad()
        network(images)["out"].square().mean().backward()
        found.append({name: each.grad.clone() for name, each in network.named_parameters() if each.grad is not None})
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize(("precision", "compile_it"), [("bf16-mixed", False), ("bf16-mixed", True), ("32-true", False)])
def test_a_run_on_a_cpu_takes_it_where_it_pays(
    precision: Literal["bf16-mixed", "32-true"], compile_it: bool, tmp_path: Path
) -> None:
    root = fake_camvid.write(tmp_path)
    model = SegmenterConfig(backbone="mobilenetv3_small_050", ga="psp", channels=8, output_stride=16)
    data = SegmentationDataConfig(name="camvid", root=root)
    config = SegmentationConfig(model=model, data=data, precision=precision, compile=compile_it, accelerator="cpu")
    task = SegmentationTask(config)
    labels = task.build_dataset("train").labels
    network = build_network(task, config, labels, create_fabric("cpu"), None)
    kinds = [each for each in network.modules() if isinstance(each, nn.Conv2d) and each.groups == each.in_channels > 1]
    assert any(each.kernel_size == (5, 5) for each in kinds)
    pays = (precision, compile_it) == ("bf16-mixed", False)
    assert all(("forward" in vars(each)) is pays for each in kinds)
