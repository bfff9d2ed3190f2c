"""Depth-wise convolutions that train fast in bf16 on a CPU.

OneDNN's backward passes of a depth-wise convolution take many times its forward pass in bf16, and networks made of them
spend most of a training step there. So their gradients are computed in the ways that it does fast:

- of the input, at stride 1: by the forward pass again, with the kernel turned around; at other strides in float32
- of the weight: in float32, but for 3x3 kernels without dilation, which bf16 suits

``benchmarks/depthwise.py`` measures what that brings.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

Pair = tuple[int, int]


def train_depthwise_fast(network: nn.Module) -> None:
    """Give the depth-wise convolutions of a network that trains on a CPU the gradients of this file, in place.

    Keys, types and outputs stay as they are; gradients are torch's but for rounding, and under autocast nearer to the
    exact ones where they are computed in float32. For a training loop: such a module is differentiated once, not
    twice, and is not pickled whole (its state dict is).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels == module.out_channels:
            module.forward = MethodType(_forward, module)  # type: ignore[method-assign]  # one instance, not the class


def _forward(self: nn.Conv2d, x: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return type(self).forward(self, x)
    # A mode, since whatever the class does before it convolves is to be done as well: timm's pad in their own ways.
    with _Instead():
        return type(self).forward(self, x)


class _Instead(TorchFunctionMode):
    """Calls of ``F.conv2d`` become calls of `depthwise`."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return (depthwise if function is F.conv2d else function)(*args, **(kwargs or {}))


def depthwise(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """``F.conv2d``, by its own names: the same values, and for one kernel a channel the gradients of this file.

    What is no such convolution (a padding in words or a picture without a batch, too) is left to torch.
    """
    if input.ndim != 4 or weight.shape[:2] != (groups, 1) or isinstance(padding, str):
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    layout = _pair(stride), _pair(padding), _pair(dilation)
    out: Tensor = DepthwiseConvolution.apply(input, weight, bias, *layout)
    return out


def _pair(value: int | Sequence[int]) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


class DepthwiseConvolution(torch.autograd.Function):
    """The forward pass is torch's own, under autocast too."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, dilation: Pair
    ) -> Tensor:
        """Convolve, and keep what the gradients need, in the type that was computed in."""
        y = F.conv2d(x, weight, bias, stride, padding, dilation, len(weight))
        ctx.save_for_backward(x.to(y.dtype), weight.to(y.dtype))
        ctx.layout = stride, padding, dilation
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the input, the weight and the bias."""
        (x, weight), layout, gradient = ctx.saved_tensors, ctx.layout, gradients[0]
        wanted = ctx.needs_input_grad
        with torch.autocast("cpu", enabled=False):
            of_input = input_gradient(gradient, x, weight, *layout) if wanted[0] else None
            of_weight = weight_gradient(gradient, x, weight, *layout) if wanted[1] else None
            of_bias = gradient.sum((0, 2, 3), dtype=_wide(gradient)) if wanted[2] else None
        return of_input, of_weight, of_bias, None, None, None


def input_gradient(
    gradient: Float[Tensor, "b c i j"],
    x: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "c 1 r s"],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> Float[Tensor, "b c h w"]:
    """At stride 1 a convolution of the gradient with the kernel turned around; else oneDNN's own in float32."""
    reach = [dilation[i] * (weight.shape[2 + i] - 1) - padding[i] for i in (0, 1)]
    if stride == (1, 1) and min(reach) >= 0:
        return F.conv2d(gradient, weight.flip(2, 3), None, 1, reach, dilation, len(weight))
    wide = _wide(gradient)
    found = _onednn(0, gradient.to(wide), x.to(wide), weight.to(wide), stride, padding, dilation)
    return found.to(x.dtype)


def weight_gradient(
    gradient: Float[Tensor, "b c i j"],
    x: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "c 1 r s"],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> Float[Tensor, "c 1 r s"]:
    """OneDNN's own, of 3x3 kernels without dilation in the type at hand, else in float32."""
    plain = weight.shape[2:] == (3, 3) and dilation == (1, 1)
    fast = gradient.dtype if plain else _wide(gradient)
    return _onednn(1, gradient.to(fast), x.to(fast), weight.to(fast), stride, padding, dilation)


def _onednn(
    which: int, gradient: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair
) -> Tensor:
    """Torch's own gradient of the input (0) or the weight (1)."""
    wanted = (which == 0, which == 1, False)
    found: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, dilation, False, (0, 0), len(weight), wanted
    )[which]
    return found


def _wide(x: Tensor) -> torch.dtype:
    """Float32, or what is wider."""
    return torch.promote_types(x.dtype, torch.float32)
