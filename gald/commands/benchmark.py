"""``gald benchmark``: what each aggregation costs, with and without LD, as ratios to a plain 3x3 convolution."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from gald.cost import Case

BUDGET = 4.0  # seconds for the turns of one aggregation, with all its LDs, without and again with backward
Row = dict[str, str | int | float | None]
# heading of the table: (name in a row, digits after the point, factor to the heading's unit)
MEASURED = {
    "parameters\nmillions": ("parameters", 2, 1e-6),
    "GMACs\n": ("gmacs", 2, 1.0),
    "forward\nms": ("forward_s", 1, 1e3),
    "and backward\nms": ("forward_backward_s", 1, 1e3),
    "forward\nMiB": ("forward_peak_mib", 0, 1.0),
    "and backward\nMiB": ("forward_backward_peak_mib", 0, 1.0),
}


def benchmark(
    ga: tuple[str, ...] = (),
    ld: tuple[str, ...] = ("none", "mask"),
    size: tuple[int, int] = (97, 97),
    channels: int = 512,
    batch: int = 1,
    order: str = "ga-ld",
    reduce: int = 2,
    repetitions: int | None = None,
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    out: Path | None = None,
) -> None:
    """Measure what GALD blocks cost: parameters, multiplications, time and peak memory; a table and a CSV.

    Every number also stands as a ratio to a plain 3x3 convolution with norm and ReLU of the same width, timed in turns
    with the blocks in the same run (medians). GMACs are what torch's FlopCounterMode counts, halved: convolutions and
    matrix products only, attention as its two products. Memory is what a call needs beyond weights and input; on a CPU
    in a fresh process each. What needs more memory than is free is left out with a note.

    Args:
        ga: global aggregations, by name; every one if left out.
        ld: local distributions, by name.
        size: height and width of the map.
        channels: of the map.
        batch: maps at once.
        order: ga-ld, ld-ga, parallel, ga or ld; what an order doesn't use is measured once.
        reduce: the aggregation runs at 1/reduce of the map's size.
        repetitions: of each timing; as many as fit into some seconds if left out.
        precision: of the blocks.
        accelerator: where they run.
        out: the CSV; results/benchmark-DEVICE-VERSIONS-DATE.csv if left out.
    """
    import sys

    from rich.console import Console

    import gald
    from gald import machine
    from gald.cost import Case
    from gald.files import check_writable
    from gald.measure import facts, write_csv

    _check(ga, ld, order, reduce, (*size, channels, batch, *([] if repetitions is None else [repetitions])))
    device = machine.fabric(accelerator, precision=precision).device
    about = {**facts(device), "gald": gald.__version__}
    out = out or Path("results") / _name(about)
    check_writable(out)

    plain = Case("3x3", "none", order, reduce, channels, batch, size, precision, str(device))
    rows = measured(plain, _groups(plain, ga, ld), repetitions)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table(rows, f"{channels} channels, {size[0]}x{size[1]}, batch {batch}, {order}, reduce {reduce}"))
    for row in rows:
        if row["note"]:
            console.print(f"{row['ga']} + {row['ld']}: {row['note']}", markup=False, highlight=False, soft_wrap=True)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_csv(out, [*columns, *about], [{**row, **about} for row in rows])
    print(f"on {about['device']}, {about['threads']} threads, torch {about['torch']}\nnumbers: {out}")


def _check(ga: Sequence[str], ld: Sequence[str], order: str, reduce: int, numbers: Sequence[int]) -> None:
    from gald.aggregation import AGGREGATORS
    from gald.block import GALD
    from gald.distribution import DISTRIBUTORS
    from gald.errors import UserError, lookup

    for name in ga:
        lookup(AGGREGATORS, name, "global aggregation")
    for name in ld:
        lookup(DISTRIBUTORS, name, "local distribution")
    GALD(1, ga="none", ld="none", order=order, reduce=reduce)  # refuses an order or a reduce that is none
    if min(numbers) < 1 or not ld:
        raise UserError("size, channels, batch and repetitions must be at least 1, and ld one name or more")


def _name(about: Mapping[str, object]) -> str:
    """``benchmark-amd-epyc-2threads-torch2.15.0-gald0.1.0-20261121-1646.csv``: no run overwrites another."""
    import re

    date = re.sub(r"\D", "", str(about["date"]))
    parts = ["benchmark", about["device"], f"{about['threads']}threads", f"torch{about['torch']}",
             f"gald{about['gald']}", f"{date[:8]}-{date[8:]}"]  # fmt: skip
    return re.sub(r"[^a-z0-9.]+", "-", "-".join(map(str, parts)).lower()) + ".csv"


def _groups(plain: Case, ga: Sequence[str], ld: Sequence[str]) -> list[list[Case]]:
    """The cases, an aggregation a group: what is timed in turns."""
    from dataclasses import replace

    from gald.aggregation import AGGREGATORS

    names = ["none"] if plain.order == "ld" else list(dict.fromkeys(ga or AGGREGATORS))
    lds = ["none"] if plain.order == "ga" else list(dict.fromkeys(ld))
    return [[replace(plain, ga=name, ld=each) for each in lds] for name in names]


# ---- measuring


def measured(plain: Case, groups: list[list[Case]], repetitions: int | None) -> list[Row]:
    """A row for the plain convolution, then one a case."""
    from statistics import median

    from gald.cost import KINDS
    from gald.errors import UserError
    from gald.progress import Bar

    first = _row(plain)
    if first["note"]:
        raise UserError(f"even a plain 3x3 convolution {first['note']}: choose a smaller --size, --channels or --batch")
    rows = [first]
    with Bar("benchmark", sum(map(len, groups)) + len(groups), unit="blocks") as bar:
        for group in groups:
            for case in group:
                rows.append(_row(case))
                bar.advance(f"{case.ga} + {case.ld}: memory")
            _add_times(plain, group, rows[-len(group) :], repetitions)
            bar.advance(f"{group[0].ga}: time")
    for kind in KINDS:
        times = [each for row in rows if isinstance(each := row.get(f"plain_{kind}_s"), float)]
        first[f"{kind}_s"] = first[f"plain_{kind}_s"] = median(times) if times else None
    return [_with_ratios(row, first) for row in rows]


def _row(case: Case) -> Row:
    """Everything but the times; a peak that can't be had is missing and told in the note."""
    from gald.cost import KINDS, count, peak
    from gald.errors import UserError

    row: Row = {"ga": case.ga, "ld": case.ld, "order": case.order, "reduce": case.reduce, "channels": case.channels,
                "batch": case.batch, "height": case.size[0], "width": case.size[1], "precision": case.precision,
                "note": ""}  # fmt: skip
    try:
        row["parameters"], multiplications = count(case)
    except UserError as error:  # a width that this one can't have; the others go on
        return row | {"note": str(error)}
    row["gmacs"] = multiplications / 1e9
    for kind in KINDS:
        found = peak(kind, case)
        if found.why:
            return row | {"note": f"{kind.replace('_', ' and ')} {found.why}"}  # what comes next needs more
        row[f"{kind}_peak_mib"] = found.mib
    return row


def _add_times(plain: Case, group: list[Case], rows: list[Row], repetitions: int | None) -> None:
    """Time those whose memory there is, in turns with the plain convolution."""
    from gald.cost import KINDS, seconds

    for kind in KINDS:
        able = [(case, row) for case, row in zip(group, rows, strict=True) if f"{kind}_peak_mib" in row]
        if not able:
            continue
        reference, *times = seconds(kind, [plain, *(case for case, _ in able)], BUDGET, repetitions)
        for (_, row), each in zip(able, times, strict=True):
            row[f"{kind}_s"], row[f"plain_{kind}_s"] = each.median, reference.median
            row[f"{kind}_repetitions"] = len(each.seconds)


def _with_ratios(row: Row, first: Row) -> Row:
    """Each number also as a multiple of the plain convolution's; of its time in the same turns."""
    for name, _, _ in MEASURED.values():
        own, other = row.get(name), row.get(f"plain_{name}", first.get(name))
        known = isinstance(own, (int, float)) and isinstance(other, (int, float)) and other > 0
        row[f"{name}_ratio"] = own / other if known else None  # type: ignore[operator]  # known says so
    return row


def table(rows: list[Row], title: str) -> Table:
    """A line a case: each number, and what multiple of the plain convolution's it is."""
    from rich.table import Table

    sheet = Table(title=f"{title}; x: times a plain 3x3 convolution")
    sheet.add_column("GA")
    sheet.add_column("LD")
    for heading in MEASURED:
        sheet.add_column(heading, justify="right")
    for number, row in enumerate(rows):
        new = number == 0 or row["ga"] != rows[number - 1]["ga"]
        cells = [_cell(row.get(name), row[f"{name}_ratio"], digits, unit) for name, digits, unit in MEASURED.values()]
        sheet.add_row(str(row["ga"]) if new else "", str(row["ld"]), *cells, end_section=number == 0)
    return sheet


def _cell(value: str | int | float | None, ratio: str | int | float | None, digits: int, unit: float) -> str:
    if not isinstance(value, (int, float)):
        return "-"
    multiple = f"{ratio:.2f}x" if isinstance(ratio, (int, float)) else "-"
    return f"{value * unit:.{digits}f} {multiple:>7}"
