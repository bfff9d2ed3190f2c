"""What the definitions are written in: a module's weights and norms, but none of its layers.

Whether there is a ReLU behind a convolution, how it is dilated and how it pads is said by the definition. Called whole,
a layer of the module would agree with itself whatever it does.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn


def convolved(conv: nn.Conv2d, x: Tensor, kernel: int = 1, *, dilation: int = 1, groups: int = 1) -> Tensor:
    """Padded to keep the size; a weight that is not ``kernel`` wide changes it, and the test fails."""
    return F.conv2d(x, conv.weight, conv.bias, padding=dilation * (kernel // 2), dilation=dilation, groups=groups)


def batch_norm(norm: nn.BatchNorm2d, x: Tensor, eps: float = 1e-5) -> Tensor:
    """Along dimension 1; the running statistics are read, not moved."""
    statistics = (norm.running_mean.clone(), norm.running_var.clone())
    return F.batch_norm(x, *statistics, norm.weight, norm.bias, norm.training, eps=eps)


def conv_norm(layers: Iterable, x: Tensor, kernel: int = 1, *, dilation: int = 1, groups: int = 1) -> Tensor:
    conv, norm, *_ = layers
    return batch_norm(norm, convolved(conv, x, kernel, dilation=dilation, groups=groups))


def conv_norm_relu(layers: Iterable, x: Tensor, kernel: int = 1, *, dilation: int = 1, groups: int = 1) -> Tensor:
    return F.relu(conv_norm(layers, x, kernel, dilation=dilation, groups=groups))


def mute(module: nn.Module) -> None:
    """Let calls of the module and of its layers fail, for who may only read the weights."""

    def refused(layer: nn.Module, _inputs: object) -> None:
        raise AssertionError(f"a definition calls the module's own {type(layer).__name__}")

    for layer in module.modules():
        layer.register_forward_pre_hook(refused)
