"""The block: global aggregation, then local distribution. May import `config` and `support`."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

ORDERS = {
    "ga-ld": "global aggregation, then local distribution of what it made: the paper's choice",
    "ld-ga": "the other way round",
    "parallel": "both of the same map, their results side by side",
    "ga": "global aggregation alone",
    "ld": "local distribution alone",
}
"""The arrangements of the paper's Figure 3 by name, as `gald.GALD` takes them."""


def part_class(entry: str | type[nn.Module]) -> type[nn.Module]:
    """The class that an entry of `AGGREGATORS` or `DISTRIBUTORS` stands for.

    The tables say where a class lies, as ``"module:Class"``, so that names can be listed without torch; a class itself
    may stand there too.
    """
    if not isinstance(entry, str):
        return entry
    found: type[nn.Module] = resolve_name(entry)
    return found
