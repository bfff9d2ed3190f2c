"""Each aggregation against its definition: ``python benchmarks/aggregations.py [--out results/aggregations.csv]``.

The definitions are those that the tests hold the modules to (tests/definitions): the papers' equations with the
modules' own weights, matrices between positions and all. Both sides run in turns in one process, forward only; the
memory of each is measured in a process of its own, which may take what is free and no more. What needs more, or takes
longer than ``--patience`` seconds, is left out with a note.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # for the definitions
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the gald of this checkout, installed or not

import torch
from definitions import DEFINITIONS
from parts.rows import Row, compared, machine, print_tables, progress, write_csv
from torch import Tensor, nn

from gald.aggregation import AGGREGATORS
from gald.footprint import seeded
from gald.measure import affordable, in_turns
from gald.memory import Peak, Work, peak_in_child, tell_peak

SIZES = ((97, 97), (128, 256))
CHANNELS = 512
TOY = (((6, 9),), 16)
NAMES = [name for name in AGGREGATORS if name != "none"]


def definition(name: str) -> Callable[..., Tensor] | None:
    """The naive form of a module of the table; some of the tests' names have hyphens."""
    case = DEFINITIONS.get(name) or DEFINITIONS.get(name.replace("_", "-"))
    return case and case[1]


def module_and_map(name: str, channels: int, height: int, width: int) -> tuple[nn.Module, Tensor]:
    """A module that is not the identity, as some are at first, and features as a network hands them over."""
    torch.manual_seed(0)
    module = seeded(AGGREGATORS[name](channels)).eval()
    return module, torch.randn(1, channels, height, width).relu_()


def work_of(naive: bool, name: str, module: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    literal = definition(name)
    if naive and literal is not None:
        return lambda: literal(module, x)
    return lambda: module(x)


@torch.no_grad()
def row_of(name: str, channels: int, height: int, width: int, budget: float, patience: float) -> Row:
    case = f"{channels} channels, {height}x{width}"
    progress(f"{name}: {case}")
    row: Row = {"part": "aggregations", "case": case, "baseline": "its definition", "variant": name}
    lean = child_peak(False, name, channels, height, width, patience)
    row["variant_peak_mib"] = lean.mib
    if definition(name) is None:
        return row | {"note": "has no definition of this name in tests/definitions"}
    naive = child_peak(True, name, channels, height, width, patience)
    if lean.why or naive.why:
        return row | {"note": f"the module {lean.why}" if lean.why else f"the definition {naive.why}"}
    row["baseline_peak_mib"] = naive.mib
    module, x = module_and_map(name, channels, height, width)
    slow, fast = (work_of(each, name, module, x) for each in (True, False))
    expected = slow()
    row["difference"] = float((expected - fast()).abs().max())
    row["note"] = f"the largest output is {float(expected.abs().max()):.3g}"
    del expected
    repetitions = affordable((slow, fast), budget)
    return row | compared(*in_turns({"definition": slow, "gald": fast}, repetitions, progress).values())


def child_peak(naive: bool, name: str, channels: int, height: int, width: int, patience: float) -> Peak:
    """Memory one call needs, measured in a fresh process."""
    words = [int(naive), name, channels, height, width, torch.get_num_threads()]
    return peak_in_child([sys.executable, str(Path(__file__).resolve()), "--child", *map(str, words)], patience)


@torch.no_grad()
def child(naive: str, name: str, channels: str, height: str, width: str, threads: str) -> None:
    torch.set_num_threads(int(threads))

    def prepare() -> Work:
        module, x = module_and_map(name, int(channels), int(height), int(width))
        work_of(bool(int(naive)), name, module, x[..., :8, :8].contiguous())()  # loads the kernels' libraries
        return work_of(bool(int(naive)), name, module, x)

    tell_peak(prepare)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ga", nargs="+", choices=NAMES, default=NAMES, help="these only")
    parser.add_argument("--out", type=Path, help="also write the numbers there, as CSV")
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice if not given")
    parser.add_argument("--budget", type=float, default=10.0, help="seconds for the turns of one row (3 at least)")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds that one call, and its start, may take")
    parser.add_argument("--toy", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--child", nargs=6, help=argparse.SUPPRESS)  # for the memory of one call
    options = parser.parse_args(arguments)
    if options.child:
        child(*options.child)
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    about = machine()
    sizes, channels = TOY if options.toy else (SIZES, CHANNELS)
    budget = 0.0 if options.toy else options.budget
    rows = [row_of(name, channels, *size, budget, options.patience) for size in sizes for name in options.ga]
    print_tables(rows, about)
    if options.out:
        write_csv(options.out, rows, about)
        progress(f"wrote {options.out}")


if __name__ == "__main__":
    main()
