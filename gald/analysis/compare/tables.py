"""Tables of the report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape

from gald.analysis.compare.charts import reach_of, whisker
from gald.analysis.compare.words import interval, points
from gald.analysis.statistics import Estimate
from gald.support.tables import percent

A_AND_B = ('<th class="name-a">A</th>', '<th class="name-b">B</th>')


def numbers_table(
    what: str,
    numbers: Mapping[str, Estimate],
    share: Mapping[str, str] | None = None,
    tagged: Collection[str] = (),
) -> str:
    """A row for each number: A, B, the difference, its interval, and the whisker on an axis that the rows share.

    ``share`` is a column of shares of the pixels, ``tagged`` are the rows to mark as rare.
    """
    reach = reach_of(list(numbers.values()))
    heads = [what, *(["% of pixels"] if share else []), *A_AND_B, "B &minus; A", "95 % interval", ""]
    rows = []
    for title, number in numbers.items():
        tag = '<span class="tag">rare</span>' if title in tagged else ""
        own = [f"<td>{escape(share[title])}</td>"] if share else []
        rows.append([f"<td>{escape(title)}{tag}</td>", *own, *_cells(number), f"<td>{whisker(number, reach)}</td>"])
    return table(heads, rows)


def _cells(number: Estimate) -> list[str]:
    """A, B, the difference in the colour of the better side if the interval leaves 0 out, the interval."""
    better = "" if number.undecided else ' class="sure better-b"' if number.difference > 0 else ' class="sure better-a"'
    both = [f"<td>{percent(value, 2)}</td>" for value in (number.a, number.b)]
    return [*both, f"<td{better}>{points(number.difference)}</td>", f"<td>{interval(number)}</td>"]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already; a narrow screen scrolls it."""
    head = "".join(each if each.startswith("<th") else f"<th>{each}</th>" for each in heads)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
