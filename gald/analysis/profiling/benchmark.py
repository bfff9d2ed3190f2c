"""What ``gald benchmark`` measures: blocks beside a plain convolution, or whole networks; their rows, and the CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric

from gald.analysis.profiling.block import BlockConfig
from gald.analysis.profiling.comparison import compare_blocks
from gald.analysis.profiling.csv_table import Row, facts, tf32_note, write_csv
from gald.analysis.profiling.networks import NamedNetwork, compare_networks


@dataclass(frozen=True)
class Benchmark:
    """Rows of numbers, the first of which is what the others are held against."""

    title: str
    names: Mapping[str, str]
    """Headings of the columns that tell the rows apart, and their keys."""
    rows: Sequence[Row]
    notes: Sequence[str]
    """What a reader should know: why numbers are missing, what ratios mix."""
    environment: Mapping[str, str | int]
    """What it was measured on."""

    def write(self, path: Path) -> None:
        """The rows as CSV, the environment in each."""
        columns = dict.fromkeys(key for row in self.rows for key in row)
        write_csv(path, [*columns, *self.environment], [{**row, **self.environment} for row in self.rows])


def benchmark_blocks(plain: BlockConfig, ga: Sequence[str], ld: Sequence[str], repetitions: int | None) -> Benchmark:
    """Every pair of an aggregation (all if none is named) and a local distribution, beside a plain 3x3 convolution.

    What can't be measured is refused by `gald.analysis.profiling.comparison.check_blocks` before.
    """
    device, (height, width) = torch.device(plain.device), plain.size
    environment = facts(device)
    rows = compare_blocks(plain, ga, ld, repetitions)
    missing = [f"{row['ga']} + {row['ld']}: {row['note']}" for row in rows if row["note"]]
    about = f"{plain.channels} channels, {height}x{width}, batch {plain.batch}, {plain.order}, reduce {plain.reduce}"
    title, names = f"{about}; x: times a plain 3x3 convolution", {"GA": "ga", "LD": "ld"}
    return Benchmark(title, names, rows, [*missing, *tf32_note(device, plain.precision)], environment)


def benchmark_network(
    named: NamedNetwork, size: tuple[int, int], precision: str, repetitions: int | None, fabric: Fabric
) -> Benchmark:
    """The network of a recipe or a checkpoint, without the block, with the aggregation alone, and as it is."""
    picture = f"{size[0]}x{size[1]}"
    environment = {**facts(fabric.device), "size": picture, "precision": precision}
    rows = compare_networks(named, size, repetitions, fabric)
    title = f"{named.source}, a picture of {picture}; x: times the first"
    return Benchmark(title, {"network": "network"}, rows, tf32_note(fabric.device, precision), environment)
