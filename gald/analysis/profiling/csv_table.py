"""Rows of numbers as a CSV, and what stands in each: what they were measured on."""

import csv
import io
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from gald import __version__
from gald.support.files import write_whole

Value = str | int | float | None
Row = dict[str, Value]


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


def with_ratios(row: Row, reference: Mapping[str, Value], keys: Iterable[str]) -> Row:
    """A row in which each number also stands as a multiple of the reference's; None where one of both is missing."""
    for key in keys:
        own, other = row.get(key), reference.get(key)
        known = isinstance(own, (int, float)) and isinstance(other, (int, float)) and other > 0
        row[f"{key}_ratio"] = own / other if known else None  # type: ignore[operator]  # known says so
    return row


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
