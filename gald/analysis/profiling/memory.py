"""The memory that a call needs: in a fresh process on a CPU, by the allocator's own count on a GPU.

Who measures is allowed what is free and no more, so that a call which needs more fails by itself.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from gald.analysis.profiling.timing import Work

SPARED = 512.0  # MiB that are left to the rest of the machine
LONG = 3.0  # seconds of a call that isn't made twice
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Peak:
    """MiB that a call needs, None where the system doesn't tell; or ``why`` it can't be had here."""

    mib: float | None = None
    why: str = ""


class ScarceError(Exception):
    """A call needs more memory than is free; its words say so, as the end of a sentence."""


@contextmanager
def within_free_memory(device: torch.device = CPU) -> Iterator[None]:
    """Let the body have what is free and no more; `ScarceError` where that ends."""
    free = max(0.0, free_mib(device))
    try:
        with _allowed(free if device.type == "cpu" else float("inf")):
            yield
    except (MemoryError, RuntimeError) as error:
        if not _is_scarcity(error):
            raise
        raise ScarceError(f"needs more memory than the {free:.0f} MiB that are free") from None


def free_mib(device: torch.device = CPU) -> float:
    """What may still be taken, MiB; infinite where the system doesn't tell."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what this process keeps for later counts as free
        return float(torch.cuda.mem_get_info(device)[0] / 2**20)
    return available_mib() - SPARED if device.type == "cpu" else float("inf")


def peak_growth_mib(work: Work) -> float | None:
    """How far this process's highest resident memory is above what it holds now, after a call, MiB.

    None where the system doesn't tell; too much, not too little, where an earlier peak can't be forgotten. Read from
    ``/proc``: ``getrusage`` would report the parent's peak in a fresh child.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # forget what was higher before, where we may
    before = _status_mib("VmRSS")
    work()
    after = _status_mib("VmHWM")
    return None if before is None or after is None else after - before


def cuda_peak(prepare: Callable[[], Work], device: torch.device) -> Peak:
    """What a call, after a first one, allocates on a GPU at its worst, above what is allocated already."""
    try:
        with within_free_memory(device):
            work = prepare()
            work()
            torch.cuda.synchronize(device)
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            work()
            torch.cuda.synchronize(device)
    except ScarceError as error:
        return Peak(why=str(error))
    return Peak((torch.cuda.max_memory_allocated(device) - before) / 2**20)


def peaks_in_child(command: Sequence[str], names: Iterable[str], seconds: float | None = None) -> dict[str, Peak]:
    """Run a command that ends in `tell_peaks` in a fresh process, where nothing was allocated and freed before.

    What it doesn't tell, of ``names``, has the reason of its failure. ``seconds`` is how long it may take.
    """
    text, why = _run(command, seconds)
    told = {name: Peak(**peak) for line in text.splitlines() for name, peak in json.loads(line).items()}
    why = next((peak.why for peak in told.values() if peak.why), why)
    return {name: told.get(name, Peak(why=why)) for name in names}


def _run(command: Sequence[str], seconds: float | None) -> tuple[str, str]:
    """What a command printed, and why it told no more than that."""
    environment = os.environ | {
        # With a fixed threshold, freed tensors go back to the system at once instead of feeding later ones unseen.
        "MALLOC_MMAP_THRESHOLD_": str(2**16),
        "PYTHONPATH": os.pathsep.join(sys.path),  # the gald of this process, installed or not
    }
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode(), f"takes longer than {seconds:.0f} s"
    return done.stdout.decode(), f"failed: the process that measures memory ended with code {done.returncode}"


def tell_peaks(prepares: Mapping[str, Callable[[], Work]]) -> None:
    """The child's side: print name and `Peak` as a line of JSON for each; each should need more than the last.

    Nothing is tried after one that needs too much.
    """
    for name, prepare in prepares.items():
        found = _peak(prepare)
        print(json.dumps({name: asdict(found)}), flush=True)
        if found.why:
            return


def _peak(prepare: Callable[[], Work]) -> Peak:
    """Of the second call: the first also makes the kernels (6 MiB of 52 for a 3x3 convolution at 512 x 97 x 97).

    Long calls are made once; beside what they need, that is nothing.
    """
    try:
        with within_free_memory():
            work = prepare()
            begun = time.perf_counter()
            first = peak_growth_mib(work)
            return Peak(first if time.perf_counter() - begun > LONG else peak_growth_mib(work))
    except ScarceError as error:
        return Peak(why=str(error))


def _is_scarcity(error: Exception) -> bool:
    words = ("allocate memory", "enough memory", "out of memory", "bad_alloc", "out_of_memory")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


@contextmanager
def _allowed(mib: float) -> Iterator[None]:
    """Let this process have ``mib`` more than it has; without effect where the system knows no such limit."""
    held = _status_mib("VmData")
    if held is None or mib == float("inf"):
        yield
        return
    import resource  # not on every system, but wherever there is /proc

    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_lower(int((held + mib) * 2**20), most), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def _lower(limit: int, most: int) -> int:
    """A limit that may be set: -1, for none, is the highest."""
    return limit if most < 0 else min(limit, most)


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
