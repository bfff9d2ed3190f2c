"""Where a command runs: processes, device and precision, with a sentence where this machine can't do it."""

import ctypes
import logging
import os
import platform
import resource
import sys
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException

from gald.support.errors import UserError


def create_fabric(
    accelerator: str = "auto", devices: int = 1, nodes: int = 1, precision: str = "32-true", strategy: Any = "auto"
) -> Fabric:
    """Lightning Fabric for ``devices`` processes on each of ``nodes`` machines, not launched yet.

    Raises:
        UserError: no process or machine at all, an accelerator that is not here, a precision that it can't do.
    """
    if devices < 1 or nodes < 1:
        raise UserError(f"--devices is {devices} and --nodes is {nodes}; both must be at least 1")
    cores = os.cpu_count() or 1
    if accelerator == "auto" and devices > cores and not _has_gpu(accelerator):
        raise UserError(
            f"{devices} devices, and no GPU here: give --devices 1, or --accelerator cpu for {devices} processes "
            f"on {cores} cores"
        )
    wanted: Any = precision
    if precision == "16-mixed" and not _has_gpu(accelerator):  # Fabric would warn, and take bf16
        raise UserError("--precision 16-mixed needs a GPU; use bf16-mixed or 32-true on a CPU")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # else it talks before any sentence of ours
    try:
        return Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, precision=wanted, strategy=strategy)
    except (RuntimeError, ValueError, TypeError, MisconfigurationException) as error:  # the last: too few GPUs
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(
            f"can't run on accelerator {accelerator!r} with {devices} devices and {precision} here: {reason}; "
            "choose another --accelerator (cpu runs everywhere) or fewer --devices"
        ) from None


def _has_gpu(accelerator: str) -> bool:
    if accelerator == "auto":
        return torch.cuda.is_available() or torch.backends.mps.is_available()
    return accelerator != "cpu"


def keep_freed_memory() -> None:
    """Let glibc keep the memory that is freed for what is taken next, in this process and those forked from it.

    A training step on a CPU takes and frees maps of megabytes by the hundred. Each would go back to the kernel, and
    come again as pages that are zeroed first (benchmarks/depthwise.py). It can't be undone; no weight and no score
    changes by it. Without glibc nothing happens.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-4, 0)  # M_MMAP_MAX: nothing is mapped apart, however large ...
        mallopt(-1, -1)  # M_TRIM_THRESHOLD: ... and the heap's end isn't given back, however long


def describe_device(device: torch.device) -> str:
    """Versions, device and threads, for the head of a log: ``torch 2.11.0 on cpu, 2 threads (x86_64)``."""
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"torch {torch.__version__} on {on}, {torch.get_num_threads()} threads ({platform.machine()})"


def peak_memory(device: torch.device) -> float:
    """The most memory so far in GB: the device's, or this process's on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes here
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
