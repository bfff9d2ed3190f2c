"""What the tests of parts share: weights that are off their first values, random maps, and a look at what ran."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode


def awake(module: nn.Module) -> nn.Module:
    """Move every weight and statistic off its first value: zero-initialised layers hide what is behind them."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    for name, buffer in module.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
        elif name.endswith("running_mean"):
            buffer.normal_(0, 0.2)
    return module


def features(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


class Watch(TorchDispatchMode):
    """Notes the operators that ran and the largest tensor that any of them made."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: set[str] = set()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.operators.add(str(func))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, Tensor):
                self.largest = max(self.largest, tensor.numel())
        return result
