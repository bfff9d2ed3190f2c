"""Timing in turns, multiplications counted, and the machine that it was on: what benchmarks are made of."""

from __future__ import annotations

import copy
import csv
import io
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from gald.files import write_whole
from gald.memory import Work

Value = str | int | float | None


@dataclass(frozen=True)
class Times:
    """Seconds of wall clock, one for each repetition."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def in_turns(
    works: Mapping[str, Work], repetitions: int, tell: Callable[[str], None] | None = None
) -> dict[str, Times]:
    """Run all pieces of work in turn, ``repetitions`` times, so that other load on the machine hits every one.

    Each should have run once before: the first call loads kernels and fills caches. ``tell`` gets a line a round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for repetition in range(1, repetitions + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
        if tell is not None:
            latest = ", ".join(f"{each[-1]:.2f}" for each in seconds.values())
            tell(f"  {repetition} of {repetitions}: {latest} s")
    return {name: Times(tuple(each)) for name, each in seconds.items()}


def affordable(works: Iterable[Work], budget: float, least: int = 3, most: int = 25) -> int:
    """How many rounds of these pieces of work fit into ``budget`` seconds, by one round each (which warms them up)."""
    start = time.perf_counter()
    for work in works:
        work()
    return max(least, min(most, int(budget / (time.perf_counter() - start + 1e-9))))


def macs(module: nn.Module, shape: Sequence[int]) -> int:
    """Multiplications of one forward in evaluation, as ``FlopCounterMode`` counts them (it counts each one twice).

    That is convolutions and matrix products, nothing else. Attention counts as its two matrix products, on every device
    alike: it runs in the form that writes them out, on tensors without content, which takes no time or memory.
    """
    bare = copy.deepcopy(module).cpu().eval()
    counter = FlopCounterMode(display=False)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        bare(torch.empty(*shape))
    return int(counter.get_total_flops()) // 2


def facts(device: torch.device) -> dict[str, str | int]:
    """What numbers were measured on; it stands in every line of a CSV."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else ""
    return {
        "device": device_name(device),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "load_before": load,
        "instructions": torch.backends.cpu.get_cpu_capability() + _half_instructions(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def device_name(device: torch.device) -> str:
    """The maker's name of a GPU or of the processor, or the best that the system knows."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if device.type == "cpu" and cpuinfo.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _half_instructions() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    return "".join(f" {flag}" for flag in ("avx512_bf16", "amx_bf16") if flag in flags)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Value]]) -> None:
    """Write a table whole or not at all; numbers with six digits, what a row doesn't have is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: short(value) for name, value in row.items()} for row in rows)
    write_whole(path, text.getvalue().encode())


def short(value: Value, digits: int = 6) -> str:
    """A number with so many digits; nothing for None."""
    return "" if value is None else f"{value:.{digits}g}" if isinstance(value, float) else str(value)
