"""What a GALD block costs: parameters, multiplications, time and memory.

``python -m gald.cost CASE`` (JSON) is the fresh process in which the memory of one call is measured.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from gald.block import GALD
from gald.layers import conv_norm
from gald.measure import Times, affordable, in_turns, macs
from gald.memory import Peak, Work, cuda_peak, peak_in_child, tell_peak

PLAIN = "3x3"  # in place of an aggregation's name: one 3x3 convolution with norm and ReLU, of the same width
HALVES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class Case:
    """A block (names as :class:`gald.GALD` knows them) and the map it works on."""

    ga: str
    ld: str = "none"
    order: str = "ga-ld"
    reduce: int = 2
    channels: int = 512
    batch: int = 1
    size: tuple[int, int] = (97, 97)
    precision: str = "32-true"
    device: str = "cpu"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the map: (B, C, H, W)."""
        return (self.batch, self.channels, *self.size)


def build(case: Case) -> nn.Module:
    """The block of a case, on its device, with the weights that training starts from."""
    torch.manual_seed(0)
    if case.ga == PLAIN:
        return conv_norm(case.channels, case.channels, 3).to(case.device)
    return GALD(case.channels, ga=case.ga, ld=case.ld, order=case.order, reduce=case.reduce).to(case.device)


def count(case: Case) -> tuple[int, int]:
    """Parameters, and multiplications of a forward."""
    block = build(case)
    return sum(each.numel() for each in block.parameters()), macs(block, case.shape)


# ---- two kinds of work; a device that works on its own is waited for


def forward(case: Case, block: nn.Module, shape: Sequence[int]) -> Work:
    """A forward in evaluation."""
    block.eval()
    x = torch.randn(*shape, device=case.device)

    def work() -> None:
        with torch.no_grad(), _autocast(case):
            block(x)
        _wait(case)

    return work


def both(case: Case, block: nn.Module, shape: Sequence[int]) -> Work:
    """A forward in training, and the gradients of the input and of every parameter."""
    block.train()
    x = torch.randn(*shape, device=case.device, requires_grad=True)
    wanted = [x, *block.parameters()]
    channels = getattr(block, "out_channels", shape[1])
    gradient = torch.randn(shape[0], channels, *shape[2:], device=case.device)

    def work() -> None:
        with _autocast(case):
            y: Tensor = block(x)
        torch.autograd.grad(y, wanted, gradient.to(y.dtype))
        _wait(case)

    return work


KINDS = {"forward": forward, "forward_backward": both}


def _autocast(case: Case) -> AbstractContextManager[None]:
    half = HALVES.get(case.precision)
    return nullcontext() if half is None else torch.autocast(torch.device(case.device).type, half)


def _wait(case: Case) -> None:
    if case.device.startswith("cuda"):
        torch.cuda.synchronize()
    elif case.device.startswith("mps"):
        torch.mps.synchronize()


# ---- measured


def seconds(kind: str, cases: Sequence[Case], budget: float, repetitions: int | None) -> list[Times]:
    """Time the cases in turns, ``repetitions`` times, or as often as fits into ``budget`` seconds."""
    works = {str(place): KINDS[kind](case, build(case), case.shape) for place, case in enumerate(cases)}
    fitting = affordable(works.values(), budget)  # warms up, too
    return list(in_turns(works, repetitions or fitting).values())


def peak(kind: str, case: Case) -> Peak:
    """Memory of one call: activations, and gradients if it makes any; weights and input are there before."""
    if case.device.startswith("cuda"):
        return cuda_peak(_warm(kind, case), torch.device(case.device))
    if case.device != "cpu":
        return Peak()
    told = {"kind": kind, "threads": torch.get_num_threads(), "case": asdict(case)}
    return peak_in_child([sys.executable, "-m", "gald.cost", json.dumps(told)])


def _warm(kind: str, case: Case) -> Work:
    """The work, after a small run of it that loads what the kernels need."""
    block = build(case)
    KINDS[kind](case, block, (*case.shape[:2], 4, 4))()
    return KINDS[kind](case, block, case.shape)


def main(text: str) -> None:
    """Measure in this process what :func:`peak` asks for."""
    told = json.loads(text)
    torch.set_num_threads(told["threads"])
    case = Case(**{**told["case"], "size": tuple(told["case"]["size"])})
    tell_peak(lambda: _warm(told["kind"], case))


if __name__ == "__main__":
    main(sys.argv[1])
