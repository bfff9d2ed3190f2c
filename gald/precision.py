"""What mixed precision should leave in float32 on a CPU."""

from __future__ import annotations

from types import MethodType

import torch
from torch import Tensor, nn


def depthwise_in_float(network: nn.Module) -> None:
    """Let the depth-wise convolutions of a network that trains under CPU autocast compute in float32, in place.

    oneDNN's bf16 backward of a depth-wise convolution takes 2 to 5 times the time of its float32 one (torch 2.15,
    Zen 4, channels_last, 16 to 1152 channels), and networks made of them spend half a step there.
    Keys stay, and the outputs are of the type that autocast gives a convolution.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels:
            module.forward = MethodType(_in_float, module)  # type: ignore[method-assign]  # one instance, not the class


def _in_float(self: nn.Conv2d, x: Tensor) -> Tensor:
    out = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    with torch.autocast("cpu", enabled=False):
        return type(self).forward(self, x.float()).to(out)
