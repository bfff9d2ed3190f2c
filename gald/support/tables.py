"""Scores as a table: one row a class, the mean last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table


def class_table(
    scores: Mapping[str, float], names: Sequence[str], title: str, columns: Mapping[str, str], means: Sequence[str]
) -> Table:
    """Percent, n/a where a class does not occur.

    ``columns`` maps a heading to the pattern of its keys in ``scores`` (``"iou/{}"``, filled with a class's name),
    ``means`` are the keys of the last row, in the columns' order.
    """
    sheet = Table(title=title)
    sheet.add_column("class")
    for heading in columns:
        sheet.add_column(heading, justify="right")
    for name in names:
        sheet.add_row(name, *(percent(scores[key.format(name)]) for key in columns.values()))
    sheet.add_section()
    sheet.add_row("mean", *(percent(scores[key]) for key in means), style="bold")
    return sheet


def percent(value: float) -> str:
    """One decimal, or n/a."""
    return "n/a" if value != value else f"{100 * value:.1f}"
