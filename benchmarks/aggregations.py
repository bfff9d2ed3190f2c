"""Each aggregation against its definition: ``python benchmarks/aggregations.py [--out results/aggregations.csv]``.

The definitions are those that the tests hold the modules to (tests/definitions): the papers' equations with the
modules' own weights, matrices between positions and all. Both sides run in turns in one process, forward only; the
memory of each row is measured in a process of its own, which may take what is free and no more. A definition that needs
more, or takes longer than ``--patience`` seconds, is left out with a note; one that takes over 5 s runs once.

All 26 modules at 97x97 and 128x256 with 512 channels take about 20 minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # for the definitions
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the gald of this checkout, installed or not

import torch
from definitions import DEFINITIONS
from parts.rows import Row, compared, machine, print_tables, progress, write_csv
from torch import Tensor, nn

from gald.analysis.explain.footprint import seeded
from gald.analysis.profiling.memory import Peak, ScarceError, peaks_in_child, tell_peaks, within_free_memory
from gald.analysis.profiling.timing import Times, Work, in_turns, rounds
from gald.block import part_class
from gald.block.aggregation import AGGREGATORS
from gald.support.progress import Bar

SIZES = ((97, 97), (128, 256))
CHANNELS = 512
TOY = (((6, 9),), 16)
LONG = 5.0  # seconds of a definition that isn't run again
SIDES = ("gald", "definition")  # the second needs more memory, as a rule
NAMES = [name for name in AGGREGATORS if name != "none"]


def module_and_map(name: str, channels: int, height: int, width: int) -> tuple[nn.Module, Tensor]:
    """A module that is not the identity, as some are at first, and features as a network hands them over."""
    torch.manual_seed(0)
    module = seeded(part_class(AGGREGATORS[name])(channels)).eval()
    return module, torch.randn(1, channels, height, width).relu_()


def work_of(side: str, name: str, module: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    literal = DEFINITIONS[name][1]
    return (lambda: literal(module, x)) if side == "definition" else (lambda: module(x))


@torch.no_grad()
def row_of(name: str, channels: int, height: int, width: int, budget: float, patience: float) -> Row:
    row: Row = {
        "part": "aggregations",
        "case": f"{channels} channels, {height}x{width}",
        "baseline": "its definition",
        "variant": name,
    }
    peaks = child_peaks(name, channels, height, width, patience)
    row |= {"variant_peak_mib": peaks["gald"].mib, "baseline_peak_mib": peaks["definition"].mib}
    for side, peak in peaks.items():
        if peak.why:
            return row | {"note": f"{'the module' if side == 'gald' else 'the definition'} {peak.why}"}
    try:
        with within_free_memory():
            return row | measured(*module_and_map(name, channels, height, width), name, budget)
    except ScarceError as error:  # each had enough alone
        return row | {"note": f"both in turns: {error}"}


def measured(module: nn.Module, x: Tensor, name: str, budget: float) -> Row:
    """Both sides once, to see that they are the same function, and then in turns."""
    slow, fast = (work_of(side, name, module, x) for side in ("definition", "gald"))
    actual, fast_seconds = timed(fast)
    expected, slow_seconds = timed(slow)
    largest, difference = float(expected.abs().max()), float((expected - actual).abs().max())
    del expected, actual
    if slow_seconds > LONG:
        times, note = (Times((slow_seconds,)), Times((fast_seconds,))), "; both ran once"
    else:
        repetitions = rounds(slow_seconds + fast_seconds, budget)
        by_side = in_turns({"definition": slow, "gald": fast}, repetitions)
        times, note = (by_side["definition"], by_side["gald"]), ""
    return compared(*times) | {"difference": difference, "note": f"the largest output is {largest:.3g}{note}"}


def timed(work: Callable[[], Tensor]) -> tuple[Tensor, float]:
    begun = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begun


def child_peaks(name: str, channels: int, height: int, width: int, patience: float) -> dict[str, Peak]:
    """Memory that one call of each side needs, measured in a fresh process."""
    words = [name, *map(str, (channels, height, width, torch.get_num_threads()))]
    return peaks_in_child([sys.executable, str(Path(__file__).resolve()), "--child", *words], SIDES, patience)


@torch.no_grad()
def child(name: str, channels: str, height: str, width: str, threads: str) -> None:
    torch.set_num_threads(int(threads))

    def prepare(side: str) -> Work:
        return work_of(side, name, *module_and_map(name, int(channels), int(height), int(width)))

    tell_peaks({side: partial(prepare, side) for side in SIDES})


def rows_of(names: list[str], toy: bool, budget: float, patience: float) -> list[Row]:
    """Module by module, so that the time left can be told; the rows of a size stand together."""
    sizes, channels = TOY if toy else (SIZES, CHANNELS)
    by_size: dict[tuple[int, int], list[Row]] = {size: [] for size in sizes}
    with Bar("aggregations", len(names) * len(sizes), unit="rows") as bar:
        for name in names:
            for size in sizes:
                by_size[size].append(row_of(name, channels, *size, 0.0 if toy else budget, patience))
                bar.advance(f"{name} {size[0]}x{size[1]}")
    return [row for rows in by_size.values() for row in rows]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ga", nargs="+", choices=NAMES, default=NAMES, help="these only")
    parser.add_argument("--out", type=Path, help="also write the numbers there, as CSV")
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice if not given")
    parser.add_argument("--budget", type=float, default=4.0, help="seconds for the turns of one row (3 turns at least)")
    parser.add_argument("--patience", type=float, default=90.0, help="seconds to measure the memory of a row in")
    parser.add_argument("--toy", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)  # for the memory of one call
    options = parser.parse_args(arguments)
    if options.child:
        child(*options.child)
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    about = machine()
    rows = rows_of(options.ga, options.toy, options.budget, options.patience)
    print_tables(rows, about)
    if options.out:
        write_csv(options.out, rows, about)
        progress(f"wrote {options.out}")


if __name__ == "__main__":
    main()
