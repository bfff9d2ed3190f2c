"""Rows of numbers as a CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

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
