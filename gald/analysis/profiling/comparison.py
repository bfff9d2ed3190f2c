"""Blocks beside a plain 3x3 convolution: a row of numbers for each, and each number as a ratio."""

from __future__ import annotations

from statistics import median

from gald.analysis.profiling.block import KINDS, Case, count, peaks, seconds
from gald.analysis.profiling.memory import ScarceError
from gald.analysis.profiling.table import Value
from gald.support.errors import UserError
from gald.support.progress import Bar

BUDGET = 4.0  # seconds for the turns of one aggregation, with all its LDs, without and again with backward
COMPARED = ("parameters", "gmacs", *(f"{kind}_s" for kind in KINDS), *(f"{kind}_peak_mib" for kind in KINDS))
Row = dict[str, Value]


def compared(plain: Case, groups: list[list[Case]], repetitions: int | None) -> list[Row]:
    """A row for the plain convolution, then one a case."""
    first = row_of(plain)
    if first["note"]:
        raise UserError(f"even a plain 3x3 convolution {first['note']}: choose a smaller --size, --channels or --batch")
    rows = [first]
    with Bar("benchmark", sum(map(len, groups)) + len(groups), unit="blocks") as bar:
        for group in groups:
            for case in group:
                rows.append(row_of(case))
                bar.advance(f"{case.ga} + {case.ld}: memory")
            _add_times(plain, group, rows[-len(group) :], repetitions)
            bar.advance(f"{group[0].ga}: time")
    _add_plain_times(rows)
    return [_with_ratios(row, first) for row in rows]


def row_of(case: Case) -> Row:
    """Everything but the times; a peak that can't be had is missing and told in the note."""
    row: Row = {"ga": case.ga, "ld": case.ld, "order": case.order, "reduce": case.reduce, "channels": case.channels,
                "batch": case.batch, "height": case.size[0], "width": case.size[1], "precision": case.precision,
                "note": ""}  # fmt: skip
    try:
        row["parameters"], multiplications = count(case)
    except UserError as error:  # a width that this one can't have; the others go on
        return row | {"note": str(error)}
    row["gmacs"] = multiplications / 1e9
    for kind, found in peaks(case).items():
        if found.why:
            return row | {"note": f"{_spoken(kind)} {found.why}"}  # what comes next needs more
        row[f"{kind}_peak_mib"] = found.mib
    return row


def _spoken(kind: str) -> str:
    return kind.replace("_", " + ")


def _add_times(plain: Case, group: list[Case], rows: list[Row], repetitions: int | None) -> None:
    """Time those whose memory there is, in turns with the plain convolution."""
    for kind in KINDS:
        able = [(case, row) for case, row in zip(group, rows, strict=True) if f"{kind}_peak_mib" in row]
        if not able:
            continue
        try:
            reference, *times = seconds(kind, [plain, *(case for case, _ in able)], BUDGET, repetitions)
        except ScarceError as error:  # each had enough alone
            for _, row in able:
                row["note"] = f"{_spoken(kind)} isn't timed: in turns it {error}"
            return
        for (_, row), each in zip(able, times, strict=True):
            row[f"{kind}_s"], row[f"plain_{kind}_s"] = each.median, reference.median
            row[f"{kind}_repetitions"] = len(each.seconds)


def _add_plain_times(rows: list[Row]) -> None:
    """The plain convolution's own row: the median of its medians beside the others."""
    for kind in KINDS:
        times = [each for row in rows if isinstance(each := row.get(f"plain_{kind}_s"), float)]
        rows[0][f"{kind}_s"] = rows[0][f"plain_{kind}_s"] = median(times) if times else None


def _with_ratios(row: Row, first: Row) -> Row:
    """Each number also as a multiple of the plain convolution's; of its time in the same turns."""
    for name in COMPARED:
        own, other = row.get(name), row.get(f"plain_{name}", first.get(name))
        known = isinstance(own, (int, float)) and isinstance(other, (int, float)) and other > 0
        row[f"{name}_ratio"] = own / other if known else None  # type: ignore[operator]  # known says so
    return row
