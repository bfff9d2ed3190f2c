"""Parameters and multiplications, counted on tensors without content, which takes no time or memory."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def macs(module: nn.Module, shape: Sequence[int]) -> int:
    """Multiplications of one forward in evaluation, as ``FlopCounterMode`` counts them (it counts each one twice).

    That is convolutions and matrix products, nothing else. Attention counts as its two matrix products, on every device
    alike: it runs in the form that writes them out.
    """
    bare = copy.deepcopy(module).cpu()
    return parameters_and_macs(lambda: bare, shape)[1]


def parameters_and_macs(build: Callable[[], nn.Module], shape: Sequence[int]) -> tuple[int, int]:
    """Of a module that ``build`` makes on the CPU, here without content: no width is too much."""
    counter = FlopCounterMode(display=False)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        module = build().eval()
        with counter:
            module(torch.empty(*shape))
        return sum(parameter.numel() for parameter in module.parameters()), int(counter.get_total_flops()) // 2
