"""What numbers were measured on."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import torch

from gald import __version__


def facts(device: torch.device) -> dict[str, str | int]:
    """What numbers were measured on; it stands in every line of a CSV."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else ""
    return {
        "device": device_name(device),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "load_before": load,
        "instructions": torch.backends.cpu.get_cpu_capability() + _half_instructions(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_allow_tf32": str(torch.backends.cudnn.allow_tf32),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "gald": __version__,
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


def tf32_note(device: torch.device, precision: str) -> list[str]:
    """Torch's defaults let convolutions on a GPU compute in TF32, and matrix products not: ratios say less there."""
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision() != "highest"
    if device.type != "cuda" or precision != "32-true" or convolutions == products:
        return []
    kinds = ("convolutions", "matrix products") if convolutions else ("matrix products", "convolutions")
    return [f"32-true on this GPU: {kinds[0]} run in TF32, {kinds[1]} in float32; ratios mix the two"]
