"""Numbers as people read them: a console, percent, scores as a table."""

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table


def console(width: int = 120) -> Console:
    """The screen; ``width`` characters where the output is a file or a pipe, so that no table is cut."""
    return Console(width=None if sys.stdout.isatty() else width)


def percent(value: float, decimals: int = 1, *, absent: str = "n/a") -> str:
    """A share as percent without the sign; ``absent`` for one that is not there (NaN)."""
    return absent if value != value else f"{100 * value:.{decimals}f}"


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
