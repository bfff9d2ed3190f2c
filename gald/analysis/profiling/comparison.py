"""Blocks beside a plain 3x3 convolution: a row of numbers for each, and each number as a ratio."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import torch

from gald.analysis.profiling.block import KINDS, BlockConfig, count, peaks, seconds
from gald.analysis.profiling.csv_table import Row, with_ratios
from gald.analysis.profiling.memory import ScarceError, free_mib
from gald.block.aggregation import AGGREGATORS
from gald.block.distribution import DISTRIBUTORS
from gald.block.gald import GALD
from gald.support.errors import UserError, lookup
from gald.support.progress import Bar

BUDGET = 4.0  # seconds for the turns of one aggregation, with all its LDs, without and again with backward
COMPARED = ("parameters", "gmacs", *(f"{kind}_s" for kind in KINDS), *(f"{kind}_peak_mib" for kind in KINDS))


def compare_blocks(plain: BlockConfig, ga: Sequence[str], ld: Sequence[str], repetitions: int | None) -> list[Row]:
    """A row for the plain convolution, then one for each pair of ``ga`` (every one if empty) and ``ld``.

    Raises:
        UserError: a name, an order or a reduction that isn't there, a map that can't be had.
    """
    groups = block_groups(plain, ga, ld)
    first = _row(plain)
    if first["note"]:
        raise UserError(f"even a plain 3x3 convolution {first['note']}: choose a smaller --size, --channels or --batch")
    rows = [first]
    with Bar("benchmark", sum(map(len, groups)) + len(groups), unit="blocks") as bar:
        for group in groups:
            for config in group:
                rows.append(_row(config))
                bar.advance(f"{config.ga} + {config.ld}: memory")
            _add_times(plain, group, rows[-len(group) :], repetitions)
            bar.advance(f"{group[0].ga}: time")
    _add_plain_times(rows)
    of_plain = ("forward_s", "forward_backward_s")  # of the same turns
    return [with_ratios(row, first | {key: row.get(f"plain_{key}") for key in of_plain}, COMPARED) for row in rows]


def block_groups(plain: BlockConfig, ga: Sequence[str], ld: Sequence[str]) -> list[list[BlockConfig]]:
    """The blocks, an aggregation a group: what is timed in turns. What an order doesn't use is measured once."""
    gas = ["none"] if plain.order == "ld" else list(dict.fromkeys(ga or AGGREGATORS))
    lds = ["none"] if plain.order == "ga" else list(dict.fromkeys(ld))
    return [[replace(plain, ga=own_ga, ld=own_ld) for own_ld in lds] for own_ga in gas]


def check_blocks(plain: BlockConfig, ga: Sequence[str], ld: Sequence[str]) -> None:
    """Refuse what isn't there, and what can't be had by far, before torch tries."""
    for name in ga:
        lookup(AGGREGATORS, name, "global aggregation")
    for name in ld:
        lookup(DISTRIBUTORS, name, "local distribution")
    if not ld:
        raise UserError("--ld names no local distribution; say --ld none for the aggregations alone")
    GALD(1, ga="none", ld="none", order=plain.order, reduce=plain.reduce)  # refuses an order or a reduce that is none
    free = min(free_mib(torch.device(plain.device)), 2.0**24)  # 16 TiB where the system doesn't tell
    weights, numbers = plain.channels**2 * 9, plain.batch * plain.channels * plain.size[0] * plain.size[1]
    for what, count_of, choose in (
        (f"a 3x3 convolution of {plain.channels} channels", weights, "--channels"),
        (f"the map of {' x '.join(map(str, plain.shape))} numbers", numbers, "--size, --channels or --batch"),
    ):
        mib = count_of * 4 / 2**20
        if mib > free:
            raise UserError(f"{what} takes {mib / 1024:.1f} GiB, {free / 1024:.1f} are free: choose a smaller {choose}")


def _row(config: BlockConfig) -> Row:
    """Everything but the times; a peak that can't be had is missing and told in the note."""
    row: Row = {"ga": config.ga, "ld": config.ld, "order": config.order, "reduce": config.reduce,
                "channels": config.channels, "batch": config.batch, "height": config.size[0],
                "width": config.size[1], "precision": config.precision, "note": ""}  # fmt: skip
    try:
        row["parameters"], multiplications = count(config)
    except UserError as error:  # a width that this one can't have; the others go on
        return row | {"note": str(error)}
    row["gmacs"] = multiplications / 1e9
    for kind, peak in peaks(config).items():
        if peak.why:
            return row | {"note": f"{_spoken(kind)} {peak.why}"}  # what comes next needs more
        row[f"{kind}_peak_mib"] = peak.mib
    return row


def _spoken(kind: str) -> str:
    return kind.replace("_", " + ")


def _add_times(plain: BlockConfig, group: list[BlockConfig], rows: list[Row], repetitions: int | None) -> None:
    """Time those whose memory there is, in turns with the plain convolution."""
    for kind in KINDS:
        able = [(config, row) for config, row in zip(group, rows, strict=True) if f"{kind}_peak_mib" in row]
        if not able:
            continue
        try:
            reference, *times = seconds(kind, [plain, *(config for config, _ in able)], BUDGET, repetitions)
        except ScarceError as error:  # each had enough alone
            for _, row in able:
                row["note"] = f"{_spoken(kind)} isn't timed: in turns it {error}"
            return
        for (_, row), own in zip(able, times, strict=True):
            row[f"{kind}_s"], row[f"plain_{kind}_s"] = own.median, reference.median
            row[f"{kind}_repetitions"] = len(own.seconds)


def _add_plain_times(rows: list[Row]) -> None:
    """The plain convolution's own row: the median of its medians beside the others."""
    for kind in KINDS:
        times = [own for row in rows if isinstance(own := row.get(f"plain_{kind}_s"), float)]
        rows[0][f"{kind}_s"] = rows[0][f"plain_{kind}_s"] = median(times) if times else None
