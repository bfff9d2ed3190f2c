"""``gald benchmark``: what each aggregation costs, with and without LD, as ratios to a plain 3x3 convolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.table import Table
from tyro.conf import arg

from gald.block import ORDERS
from gald.cli.options import Runtime
from gald.config.inference import RuntimeConfig
from gald.support.errors import UserError
from gald.support.tables import console

if TYPE_CHECKING:
    from gald.analysis.profiling.benchmark import Benchmark
    from gald.analysis.profiling.csv_table import Value

# key of a row -> heading of the table, digits after the point, factor to the heading's unit
MEASURED = {
    "parameters": ("parameters\nmillions", 2, 1e-6),
    "gmacs": ("GMACs\n", 2, 1.0),
    "forward_s": ("forward\nms", 1, 1e3),
    "forward_backward_s": ("forward + backward\nms", 1, 1e3),
    "forward_peak_mib": ("forward\nMiB", 0, 1.0),
    "forward_backward_peak_mib": ("forward + backward\nMiB", 0, 1.0),
}


@dataclass(frozen=True)
class BlockOptions:
    """The blocks, and the map that they work on."""

    ga: tuple[str, ...] = ()
    """Global aggregations, by name; every one if left out."""
    ld: tuple[str, ...] = ("none", "mask")
    """Local distributions, by name."""
    channels: int = 512
    """Of the map."""
    batch: int = 1
    """Maps at once."""
    order: Annotated[str, arg(help=f"{', '.join(ORDERS)}; what an order doesn't use is measured once.")] = "ga-ld"
    reduce: int = 2
    """The aggregation runs at 1/reduce of the map's size."""


def benchmark(
    blocks: Annotated[BlockOptions, arg(name="")] = BlockOptions(),
    network: str | None = None,
    size: tuple[int, int] | None = None,
    repetitions: int | None = None,
    runtime: Runtime = RuntimeConfig(),
    out: Path | None = None,
) -> None:
    """Measure what GALD blocks cost: parameters, multiplications, time and peak memory; a table, and a CSV on demand.

    Every number also stands as a ratio to a plain 3x3 convolution with norm and ReLU of the same width, timed in turns
    with the blocks in the same run (medians). GMACs are what torch's FlopCounterMode counts, halved: convolutions and
    matrix products only, attention as its two products. Memory is what a call needs beyond weights and input; on a CPU
    in a fresh process for each block. What needs more memory than is free is left out with a note. Everything at its
    default takes about ten minutes on two cores; --ga and --ld choose less.

    With --network, a recipe or a checkpoint of any task, its whole network is measured on a picture instead, with fresh
    weights: without the block, with the aggregation alone, and as it is.

    Args:
        blocks: what is measured; not with --network.
        network: the name of a recipe, or a checkpoint (best.safetensors, last.pt); only --size, --repetitions,
            --precision, --accelerator and --out go with it.
        size: height and width of the map, 97 97 if left out; with --network of the picture, 512 1024 if left out.
        repetitions: of each timing; as many as fit into some seconds if left out.
        runtime: where they run.
        out: the CSV; if left out, no file is written.
    """
    size = size or ((97, 97) if network is None else (512, 1024))
    check_numbers(size=size, channels=blocks.channels, batch=blocks.batch, repetitions=repetitions)
    if network is not None:
        refuse_of_blocks(blocks)

    from gald.analysis.profiling.benchmark import benchmark_blocks, benchmark_network
    from gald.analysis.profiling.block import PLAIN, BlockConfig
    from gald.analysis.profiling.comparison import check_blocks
    from gald.analysis.profiling.networks import find_network
    from gald.support.device import create_fabric
    from gald.support.files import check_writable

    fabric = create_fabric(runtime.accelerator, precision=runtime.precision)
    measure: Callable[[], Benchmark]
    if network is None:
        given = (blocks.order, blocks.reduce, blocks.channels, blocks.batch, size, runtime.precision)
        plain = BlockConfig(PLAIN, "none", *given, device=str(fabric.device))
        check_blocks(plain, blocks.ga, blocks.ld)
        measure = partial(benchmark_blocks, plain, blocks.ga, blocks.ld, repetitions)
    else:
        measure = partial(benchmark_network, find_network(network), size, runtime.precision, repetitions, fabric)
    if out is None:
        print("the numbers are shown at the end and not kept; --out FILE.csv writes them", flush=True)
    else:
        check_writable(out)
    found = measure()
    show(found)
    if out is None:
        print("numbers: not kept; --out FILE.csv writes them")
    else:
        found.write(out)
        print(f"numbers: {out}")


def show(found: Benchmark) -> None:
    """The table, why numbers are missing, and the machine."""
    screen = console(160)
    screen.print(cost_table(found))
    for note in found.notes:
        screen.print(note, markup=False, highlight=False, soft_wrap=True)
    print("on {device}, {threads} threads, torch {torch}".format_map(found.environment))


def check_numbers(**given: int | tuple[int, ...] | None) -> None:
    """Refuse a size or a count below 1."""
    for name, value in given.items():
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        if min(values, default=1) < 1:
            raise UserError(f"--{name} is {' '.join(map(str, values))}; it must be at least 1")


def refuse_of_blocks(given: BlockOptions) -> None:
    """What is about blocks says nothing about a whole network."""
    for option in fields(given):
        if getattr(given, option.name) != option.default:
            raise UserError(f"--{option.name} is for blocks; leave it out with --network")


def cost_table(found: Benchmark) -> Table:
    """A line a row: its names, each number, and what multiple of the first row's it is."""
    table = Table(*found.names, title=found.title)
    measured = {key: how for key, how in MEASURED.items() if any(f"{key}_ratio" in row for row in found.rows)}
    for heading, _, _ in measured.values():
        table.add_column(heading, justify="right")
    before = None
    for number, row in enumerate(found.rows):
        cells = [_cell(row.get(key), row[f"{key}_ratio"], digits, unit) for key, (_, digits, unit) in measured.items()]
        first, *more = (str(row[key]) for key in found.names.values())
        table.add_row("" if first == before else first, *more, *cells, end_section=number == 0)
        before = first
    return table


def _cell(value: Value, ratio: Value, digits: int, unit: float) -> str:
    if not isinstance(value, (int, float)):
        return "-"
    multiple = f"{ratio:.2f}x" if isinstance(ratio, (int, float)) else "-"
    return f"{value * unit:.{digits}f} {multiple:>7}"
