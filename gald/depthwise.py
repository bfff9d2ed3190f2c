"""Depth-wise convolutions that train fast on a CPU.

oneDNN's backward passes of a depth-wise convolution are far from what its forward pass takes: a network made of them
spends more than half of a training step there. The gradients are written here as what the hardware does well:

- of the input, at stride 1: the forward pass again, with the kernel turned around;
- of the weight: for each of its places the sum of products of two maps, the input shifted to that place.

Where oneDNN is the faster one (strides; 3x3 kernels without dilation) it stays: ``benchmarks/depthwise.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Pair = tuple[int, int]
CACHED = 500_000  # numbers of a map that are worked on at once: what a core's cache holds, with two more like it


def train_depthwise_fast(network: nn.Module) -> None:
    """Give the depth-wise convolutions of a network that trains on a CPU the gradients of this file, in place.

    Keys, types and outputs stay as they are; gradients differ by rounding only, and under autocast a weight's gradient
    is summed in float32. A convolution with a bias, or with several outputs for a channel, is left as it is.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels and module.bias is None:
            module.forward = MethodType(_forward, module)  # type: ignore[method-assign]  # one instance, not the class


def _forward(self: nn.Conv2d, x: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return type(self).forward(self, x)
    with _Instead():  # whatever the class does before it convolves (timm's pad in their own ways) is done as well
        return type(self).forward(self, x)


class _Instead(TorchFunctionMode):
    """Calls of ``F.conv2d`` become :class:`DepthwiseConvolution`."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if function is not F.conv2d:
            return function(*args, **(kwargs or {}))
        return depthwise(*args, **(kwargs or {}))


def depthwise(
    input: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "k 1 r s"],
    bias: None = None,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Float[Tensor, "b k i j"]:
    """``F.conv2d``, by its own names, for one kernel a channel: the same values, the gradients of this file."""
    if weight.shape[0] != groups or weight.shape[1] != 1 or bias is not None or isinstance(padding, str):
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    out: Tensor = DepthwiseConvolution.apply(input, weight, _pair(stride), _pair(padding), _pair(dilation))
    return out


def _pair(value: int | Sequence[int]) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


class DepthwiseConvolution(torch.autograd.Function):
    """The forward pass is torch's own, under autocast too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair) -> Tensor:
        """Convolve, and keep what the gradients need, in the type that was computed in."""
        y = F.conv2d(x, weight, None, stride, padding, dilation, x.shape[1])
        ctx.save_for_backward(x.to(y.dtype), weight.to(y.dtype))
        ctx.layout = stride, padding, dilation
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the input and of the weight."""
        (x, weight), layout, gradient = ctx.saved_tensors, ctx.layout, gradients[0]
        with torch.autocast("cpu", enabled=False):
            of_input = input_gradient(gradient, x, weight, *layout) if ctx.needs_input_grad[0] else None
            of_weight = weight_gradient(gradient, x, weight, *layout) if ctx.needs_input_grad[1] else None
        return of_input, of_weight, None, None, None


def input_gradient(
    gradient: Float[Tensor, "b c i j"],
    x: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "c 1 r s"],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> Float[Tensor, "b c h w"]:
    """At stride 1 a convolution of the gradient with the kernel turned around; else oneDNN's, which bf16 slows."""
    reach = [dilation[i] * (weight.shape[2 + i] - 1) - padding[i] for i in (0, 1)]
    if stride == (1, 1) and min(reach) >= 0:
        return F.conv2d(gradient, weight.flip(2, 3), None, 1, reach, dilation, x.shape[1])
    return _native(gradient, x, weight, (stride, padding, dilation), torch.float32, 0)


def weight_gradient(
    gradient: Float[Tensor, "b c i j"],
    x: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "c 1 r s"],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> Float[Tensor, "c 1 r s"]:
    """Place by place of the kernel, on maps whose channels lie together; of 3x3 without dilation oneDNN's own."""
    if weight.shape[2:] == (3, 3) and dilation == (1, 1):
        return _native(gradient, x, weight, (stride, padding, dilation), gradient.dtype, 1)
    wide = torch.promote_types(gradient.dtype, torch.float32)
    down, across = padding
    height, width = x.shape[2:]
    maps = x.new_zeros(x.shape[0], height + 2 * down, width + 2 * across, x.shape[1], dtype=wide)
    maps[:, down : down + height, across : across + width] = x.permute(0, 2, 3, 1)
    gradient = gradient.permute(0, 2, 3, 1).to(wide).contiguous()
    rows, columns, channels = gradient.shape[1:]
    few = max(1, CACHED // (rows * columns * channels))
    products = torch.empty_like(gradient[:few])
    sums = products.new_zeros(*weight.shape[2:], channels)
    for some, its in zip(gradient.split(few), maps.split(few), strict=True):
        for i, j in product(*map(range, weight.shape[2:])):
            top, left = i * dilation[0], j * dilation[1]
            shifted = its[:, top :: stride[0], left :: stride[1]][:, :rows, :columns]
            each = torch.mul(some, shifted, out=products[: len(some)])
            sums[i, j] += each.view(-1, channels).sum(0)
    return sums.permute(2, 0, 1)[:, None]


def _native(
    gradient: Tensor, x: Tensor, weight: Tensor, layout: tuple[Pair, Pair, Pair], dtype: torch.dtype, which: int
) -> Tensor:
    """Torch's own gradient of the input (0) or of the weight (1), computed in ``dtype`` if that is the wider one."""
    dtype = torch.promote_types(dtype, gradient.dtype)
    mask = [which == 0, which == 1, False]
    tensors = (each.to(dtype) for each in (gradient, x, weight))
    found: Tensor = torch.ops.aten.convolution_backward(*tensors, None, *layout, False, (0, 0), x.shape[1], mask)[which]
    return found.to(gradient.dtype)
