"""The memory that a call needs: in a fresh process on a CPU, by the allocator's own count on a GPU.

A process that measures is allowed what is free and no more, so that a call which needs more fails there, by itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

Work = Callable[[], object]
SPARED = 512.0  # MiB that are left to the rest of the machine
SCARCE = "needs more memory than the {:.0f} MiB that are free"


@dataclass(frozen=True)
class Peak:
    """MiB that a call needs, None where the system doesn't tell; or ``why`` it can't be had here."""

    mib: float | None = None
    why: str = ""


def peak_growth_mib(work: Work) -> float | None:
    """By how much a call raises this process's highest resident memory, MiB; None where the system doesn't tell.

    Read from ``/proc``: ``getrusage`` would report the parent's peak in a fresh child.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports, where we may
    before = _status_mib("VmHWM")
    work()
    after = _status_mib("VmHWM")
    return None if before is None or after is None else after - before


def cuda_peak(work: Work, device: torch.device) -> Peak:
    """What a call allocates on a GPU at its worst, above what is allocated already."""
    free = torch.cuda.mem_get_info(device)[0] / 2**20
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    try:
        work()
        torch.cuda.synchronize(device)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        return Peak(why=SCARCE.format(free))
    return Peak((torch.cuda.max_memory_allocated(device) - before) / 2**20)


def peak_in_child(command: Sequence[str], seconds: float | None = None) -> Peak:
    """Run a command that ends in :func:`tell_peak` in a fresh process, where nothing was allocated and freed before.

    ``seconds`` is how long it may take.
    """
    environment = os.environ | {
        # With a fixed threshold, freed tensors go back to the system at once instead of feeding later ones unseen.
        "MALLOC_MMAP_THRESHOLD_": str(2**20),
        "PYTHONPATH": os.pathsep.join(sys.path),  # the gald of this process, installed or not
    }
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return Peak(why=f"takes longer than {seconds:.0f} s")
    if done.returncode:
        return Peak(why=f"the process that measures memory ended with code {done.returncode}")
    return Peak(**json.loads(done.stdout))


def tell_peak(prepare: Callable[[], Work]) -> None:
    """The child's side: measure a call within the memory that is free, and print :class:`Peak` as JSON."""
    free = available_mib() - SPARED
    _allow(free)
    try:
        peak = Peak(peak_growth_mib(prepare()))
    except (MemoryError, RuntimeError) as error:
        if not _is_scarcity(error):
            raise
        peak = Peak(why=SCARCE.format(max(0.0, free)))
    print(json.dumps(asdict(peak)))


def _is_scarcity(error: Exception) -> bool:
    words = ("allocate memory", "enough memory", "out of memory", "bad_alloc", "out_of_memory")
    return isinstance(error, MemoryError) or any(each in str(error) for each in words)


def _allow(mib: float) -> None:
    """Let this process have ``mib`` more than it has; without effect where the system knows no such limit."""
    held = _status_mib("VmData")
    if held is None or mib == float("inf"):
        return
    import resource  # not on every system, but wherever there is /proc

    limit = int((held + max(0.0, mib)) * 2**20)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def available_mib() -> float:
    """Memory that can be had without swapping, MiB; infinite where the system doesn't tell."""
    meminfo = Path("/proc/meminfo")
    return (_field_mib(meminfo, "MemAvailable") if meminfo.exists() else None) or float("inf")


def _status_mib(name: str) -> float | None:
    status = Path("/proc/self/status")
    return _field_mib(status, name) if status.exists() else None


def _field_mib(path: Path, name: str) -> float | None:
    lines = [line for line in path.read_text().splitlines() if line.startswith(name + ":")]
    return int(lines[0].split()[1]) / 1024 if lines else None
