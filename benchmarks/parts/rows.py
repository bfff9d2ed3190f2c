"""The rows that a benchmark compares, prints and writes."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from gald.analysis.profiling.csv_table import facts, short
from gald.analysis.profiling.csv_table import write_csv as write_rows
from gald.analysis.profiling.timing import Times

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


def machine() -> dict[str, str | int]:
    """What the numbers were measured on; it stands in every line of the CSV."""
    return facts(torch.device("cpu"))


def write_csv(path: Path, rows: Sequence[Row], about: Mapping[str, str | int]) -> None:
    write_rows(path, [*NAMES, *HEADINGS, *about], [{**row, **about} for row in rows])


def print_tables(rows: Sequence[Row], about: Mapping[str, str | int]) -> None:
    """A table for each part and baseline, without the columns that it has no values for."""
    # a fixed width: where the output is a file, rich would cut the columns to 80 characters
    console = Console(width=220, highlight=False, soft_wrap=True)
    console.print("; ".join(f"{name} {value}" for name, value in about.items()))
    for part, baseline in dict.fromkeys((row["part"], row["baseline"]) for row in rows):
        shown = [row for row in rows if row["part"] == part]
        columns = [name for name in HEADINGS if any(row.get(name) not in (None, "") for row in shown)]
        lines = Table(title=f"{part}; the baseline is: {baseline}", title_justify="left")
        lines.add_column("case\nvariant", max_width=56)
        for name in columns:
            lines.add_column(HEADINGS[name], justify="left" if name == "note" else "right", no_wrap=name != "note")
        for previous, row in zip([{}, *shown], shown, strict=False):
            if row["case"] != previous.get("case"):
                lines.add_section()
                lines.add_row(str(row["case"]))
            lines.add_row(f"  {row['variant']}", *(short(row.get(name), 5) for name in columns))
        console.print(lines)
