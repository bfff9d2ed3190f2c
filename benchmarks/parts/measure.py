"""Timing in turns, the memory a call needs, and the rows that a benchmark prints and writes."""

from __future__ import annotations

import csv
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import gald

Work = Callable[[], object]


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


# A comparison, by the names below; a value that was not measured is left out.
Row = dict[str, str | float | None]
NAMES = ("part", "case", "baseline", "variant")
HEADINGS = {  # column of the CSV -> of the printed table
    "ratio_of_median": "times faster\n(medians)",
    "ratio_of_min": "times faster\n(minima)",
    "baseline_median_s": "baseline\nmedian s",
    "baseline_min_s": "baseline\nmin s",
    "variant_median_s": "variant\nmedian s",
    "variant_min_s": "variant\nmin s",
    "repetitions": "runs",
    "baseline_peak_mib": "baseline\npeak MiB",
    "variant_peak_mib": "variant\npeak MiB",
    "difference": "largest\ndifference",
    "equal_random_percent": "equal %\nrandom",
    "equal_random_clear_percent": "where clear\nrandom",
    "equal_fitted_percent": "equal %\nfitted",
    "equal_fitted_clear_percent": "where clear\nfitted",
    "note": "note",
}


def progress(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def in_turns(works: Mapping[str, Work], repetitions: int) -> dict[str, Times]:
    """Run all pieces of work in turn, ``repetitions`` times, so that other load on the machine hits every one.

    Each should have run once before: the first call loads kernels and fills caches.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for repetition in range(1, repetitions + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
        latest = ", ".join(f"{each[-1]:.2f}" for each in seconds.values())
        progress(f"  {repetition} of {repetitions}: {latest} s")
    return {name: Times(tuple(each)) for name, each in seconds.items()}


def compared(baseline: Times, variant: Times) -> Row:
    """The timing fields of a row."""
    return {
        "repetitions": len(variant.seconds),
        "baseline_min_s": baseline.least,
        "baseline_median_s": baseline.median,
        "variant_min_s": variant.least,
        "variant_median_s": variant.median,
        "ratio_of_min": baseline.least / variant.least,
        "ratio_of_median": baseline.median / variant.median,
    }


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


def available_mib() -> float:
    """Memory that can be had without swapping, MiB; infinite where the system doesn't tell."""
    meminfo = Path("/proc/meminfo")
    return (_field_mib(meminfo, "MemAvailable") if meminfo.exists() else None) or float("inf")


def machine() -> dict[str, str | int]:
    """What the numbers were measured on; it stands in every line of the CSV."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else ""
    return {
        "device": cpu_name(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "load_before": load,
        "instructions": torch.backends.cpu.get_cpu_capability() + _half_instructions(),
        "torch": torch.__version__,
        "gald": gald.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def write_csv(path: Path, rows: Sequence[Row], about: Mapping[str, str | int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*NAMES, *HEADINGS, *about])
        writer.writeheader()
        writer.writerows({**{name: _short(value) for name, value in row.items()}, **about} for row in rows)


def print_tables(rows: Sequence[Row], about: Mapping[str, str | int]) -> None:
    """A table for each part and baseline, without the columns that it has no values for."""
    # a fixed width: where the output is a file, rich would cut the columns to 80 characters
    console = Console(width=220, highlight=False, soft_wrap=True)
    console.print("; ".join(f"{name} {value}" for name, value in about.items()))
    for part, baseline in dict.fromkeys((row["part"], row["baseline"]) for row in rows):
        shown = [row for row in rows if row["part"] == part]
        columns = [name for name in HEADINGS if any(row.get(name) not in (None, "") for row in shown)]
        table = Table(title=f"{part}; the baseline is: {baseline}", title_justify="left")
        table.add_column("case\nvariant", max_width=56)
        for name in columns:
            table.add_column(HEADINGS[name], justify="left" if name == "note" else "right", no_wrap=name != "note")
        for previous, row in zip([{}, *shown], shown, strict=False):
            if row["case"] != previous.get("case"):
                table.add_section()
                table.add_row(str(row["case"]))
            table.add_row(f"  {row['variant']}", *(_short(row.get(name), 5) for name in columns))
        console.print(table)


def _short(value: str | float | None, digits: int = 6) -> str:
    return "" if value is None else f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def _status_mib(name: str) -> float | None:
    status = Path("/proc/self/status")
    return _field_mib(status, name) if status.exists() else None


def _field_mib(path: Path, name: str) -> float | None:
    lines = [line for line in path.read_text().splitlines() if line.startswith(name + ":")]
    return int(lines[0].split()[1]) / 1024 if lines else None


def _half_instructions() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    return "".join(f" {flag}" for flag in ("avx512_bf16", "amx_bf16") if flag in flags)
