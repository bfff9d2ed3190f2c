"""What a GALD block costs: parameters, multiplications, time and memory, forward and with backward."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Tensor, nn

from gald.analysis.profiling.flops import parameters_and_macs
from gald.analysis.profiling.memory import Peak, cuda_peak, peaks_in_child, tell_peaks, within_free_memory
from gald.analysis.profiling.timing import Times, Work, affordable, in_turns
from gald.block.gald import GALD
from gald.block.layers import conv_norm
from gald.support.errors import UserError

PLAIN = "3x3"  # in place of an aggregation's name: one 3x3 convolution with norm and ReLU, of the same width
HALVES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class BlockConfig:
    """A block (names as `gald.GALD` knows them) and the map it works on."""

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


def build(config: BlockConfig) -> nn.Module:
    """The block, on its device, with the weights that training starts from."""
    torch.manual_seed(0)
    return _built(config).to(config.device)


def _built(config: BlockConfig) -> nn.Module:
    if config.ga == PLAIN:
        return conv_norm(config.channels, config.channels, 3)
    return GALD(config.channels, ga=config.ga, ld=config.ld, order=config.order, reduce=config.reduce)


def count(config: BlockConfig) -> tuple[int, int]:
    """Parameters, and multiplications of a forward; `UserError` for a width that the block can't have."""
    try:
        return parameters_and_macs(lambda: _built(config), config.shape)
    except RuntimeError as error:
        if "overflow" not in str(error):
            raise
        raise UserError(f"a map of {config.size[0]}x{config.size[1]} has too many positions to count") from None


# ---- two kinds of work on one input; a device that works on its own is waited for


class Inputs:
    """The map that all blocks of one shape work on, and the gradients that come back to them."""

    def __init__(self, config: BlockConfig) -> None:
        self.shape, self.device = config.shape, config.device
        self.x = torch.randn(*config.shape, device=config.device, requires_grad=True)
        self.gradients: dict[int, Tensor] = {}

    def gradient(self, channels: int) -> Tensor:
        """Of an output with so many channels: what stands side by side has twice as many."""
        if channels not in self.gradients:
            self.gradients[channels] = torch.randn(self.shape[0], channels, *self.shape[2:], device=self.device)
        return self.gradients[channels]


def forward(config: BlockConfig, block: nn.Module, inputs: Inputs) -> Work:
    """A forward in evaluation."""
    block.eval()

    def work() -> None:
        with torch.no_grad(), _autocast(config):
            block(inputs.x)
        _wait(config)

    return work


def forward_backward(config: BlockConfig, block: nn.Module, inputs: Inputs) -> Work:
    """A forward in training, and the gradients of the input and of every parameter."""
    block.train()
    wanted = [inputs.x, *block.parameters()]
    gradient = inputs.gradient(getattr(block, "out_channels", config.channels))

    def work() -> None:
        with _autocast(config):
            y: Tensor = block(inputs.x)
        torch.autograd.grad(y, wanted, gradient.to(y.dtype))
        _wait(config)

    return work


KINDS: dict[str, Callable[[BlockConfig, nn.Module, Inputs], Work]] = {
    "forward": forward,
    "forward_backward": forward_backward,  # needs more than the one before
}


def work_of(kind: str, config: BlockConfig) -> Work:
    """A piece of work with a block and an input of its own."""
    return KINDS[kind](config, build(config), Inputs(config))


def _autocast(config: BlockConfig) -> AbstractContextManager[None]:
    half = HALVES.get(config.precision)
    return nullcontext() if half is None else torch.autocast(torch.device(config.device).type, half)


def _wait(config: BlockConfig) -> None:
    if config.device.startswith("cuda"):
        torch.cuda.synchronize()
    elif config.device.startswith("mps"):
        torch.mps.synchronize()


# ---- measured


def seconds(kind: str, configs: Sequence[BlockConfig], budget: float, repetitions: int | None) -> list[Times]:
    """Time blocks of one shape in turns, ``repetitions`` times, or as often as fits into ``budget`` seconds.

    Raises `gald.analysis.profiling.memory.ScarceError` where all of them together don't fit into memory.
    """
    with within_free_memory(torch.device(configs[0].device)):
        inputs = Inputs(configs[0])
        works = {str(place): KINDS[kind](config, build(config), inputs) for place, config in enumerate(configs)}
        fitting = affordable(works.values(), budget)  # warms up, too
        return list(in_turns(works, repetitions or fitting).values())


def peaks(config: BlockConfig) -> dict[str, Peak]:
    """Memory of one call of each kind: activations, and gradients if it makes any; weights and input come before."""
    device = torch.device(config.device)
    if device.type == "cuda":
        return {kind: cuda_peak(lambda kind=kind: work_of(kind, config), device) for kind in KINDS}  # type: ignore[misc]
    if device.type != "cpu":
        return dict.fromkeys(KINDS, Peak())
    told = {"threads": torch.get_num_threads(), "config": asdict(config)}
    # -P: a folder named gald where the user stands is not taken for this one
    return peaks_in_child([sys.executable, "-P", "-m", "gald.analysis.profiling.block", json.dumps(told)], KINDS)


def tell_asked(text: str) -> None:
    """The child's side of `peaks`: measure in this process, which is fresh, what the JSON in ``text`` asks for."""
    told = json.loads(text)
    torch.set_num_threads(told["threads"])
    config = BlockConfig(**{**told["config"], "size": tuple(told["config"]["size"])})
    tell_peaks({kind: partial(work_of, kind, config) for kind in KINDS})


if __name__ == "__main__":
    tell_asked(sys.argv[1])
