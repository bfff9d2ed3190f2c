"""``gald benchmark``: what each aggregation costs, with and without LD, as ratios to a plain 3x3 convolution."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from gald.analysis.profiling.block import Case
    from gald.analysis.profiling.comparison import Row

# heading of the table: (name in a row, digits after the point, factor to the heading's unit)
MEASURED = {
    "parameters\nmillions": ("parameters", 2, 1e-6),
    "GMACs\n": ("gmacs", 2, 1.0),
    "forward\nms": ("forward_s", 1, 1e3),
    "forward + backward\nms": ("forward_backward_s", 1, 1e3),
    "forward\nMiB": ("forward_peak_mib", 0, 1.0),
    "forward + backward\nMiB": ("forward_backward_peak_mib", 0, 1.0),
}


def benchmark(
    ga: tuple[str, ...] = (),
    ld: tuple[str, ...] = ("none", "mask"),
    network: str | None = None,
    size: tuple[int, int] | None = None,
    channels: int = 512,
    batch: int = 1,
    order: str = "ga-ld",
    reduce: int = 2,
    repetitions: int | None = None,
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    out: Path | None = None,
) -> None:
    """Measure what GALD blocks cost: parameters, multiplications, time and peak memory; a table and a CSV.

    Every number also stands as a ratio to a plain 3x3 convolution with norm and ReLU of the same width, timed in turns
    with the blocks in the same run (medians). GMACs are what torch's FlopCounterMode counts, halved: convolutions and
    matrix products only, attention as its two products. Memory is what a call needs beyond weights and input; on a CPU
    in a fresh process for each block. What needs more memory than is free is left out with a note. Everything at its
    default takes about ten minutes on two cores; --ga and --ld choose less.

    With --network, a recipe or a checkpoint of any task, its whole network is measured on a picture instead, with fresh
    weights: without the block, with the aggregation alone, and as it is.

    Args:
        ga: global aggregations, by name; every one if left out.
        ld: local distributions, by name.
        network: the name of a recipe, or a checkpoint (best.safetensors, last.pt); only --size, --repetitions,
            --precision, --accelerator and --out go with it.
        size: height and width of the map, 97 97 if left out; with --network of the picture, 512 1024 if left out.
        channels: of the map.
        batch: maps at once.
        order: ga-ld, ld-ga, parallel, ga or ld; what an order doesn't use is measured once.
        reduce: the aggregation runs at 1/reduce of the map's size.
        repetitions: of each timing; as many as fit into some seconds if left out.
        precision: of the blocks.
        accelerator: where they run.
        out: the CSV; results/benchmark-DEVICE-VERSIONS-DATE.csv if left out.
    """
    import gald
    from gald.analysis.profiling.block import PLAIN, Case
    from gald.analysis.profiling.comparison import compared
    from gald.analysis.profiling.table import facts
    from gald.support.device import create_fabric
    from gald.support.files import check_writable

    size = size or ((97, 97) if network is None else (512, 1024))
    _check_names(ga, ld, order, reduce)
    _check_numbers(size, channels, batch, repetitions)
    fabric = create_fabric(accelerator, precision=precision)
    device = fabric.device
    about = {**facts(device), "gald": gald.__version__}
    out = out or Path("results") / _name(about)
    check_writable(out)
    if network is not None:
        _refuse_of_blocks({"ga": ga, "ld": ld, "channels": channels, "batch": batch, "order": order, "reduce": reduce})
        rows = _networks(network, size, repetitions, fabric)
        _show_networks(rows, f"{network}, a picture of {size[0]}x{size[1]}")
        _write(rows, about | {"size": f"{size[0]}x{size[1]}", "precision": precision}, out)
        print(f"on {about['device']}, {about['threads']} threads, torch {about['torch']}\nnumbers: {out}")
        return

    plain = Case(PLAIN, "none", order, reduce, channels, batch, size, precision, str(device))
    _check_size(plain)
    rows = compared(plain, _groups(plain, ga, ld), repetitions)
    _show(rows, plain)
    _write(rows, about, out)
    print(f"on {about['device']}, {about['threads']} threads, torch {about['torch']}\nnumbers: {out}")


def _refuse_of_blocks(given: Mapping[str, object]) -> None:
    """What is about blocks says nothing about a whole network."""
    import inspect

    from gald.support.errors import UserError

    usual = {name: each.default for name, each in inspect.signature(benchmark).parameters.items()}
    for name, value in given.items():
        if value != usual[name]:
            raise UserError(f"--{name} is for blocks; leave it out with --network")


def _networks(source: str, size: tuple[int, int], repetitions: int | None, fabric: Any) -> list[Row]:
    """The network of a recipe or checkpoint, with fresh weights, beside itself without LD and without the block."""
    from dataclasses import replace

    import torch

    from gald.analysis.profiling.network import measured
    from gald.config.recipes import RECIPES
    from gald.engine import checkpoint
    from gald.engine.tasks import build_task
    from gald.support.errors import lookup

    content = checkpoint.load(Path(source)) if Path(source).suffix in (".safetensors", ".pt") else None
    settings = content.config if content else lookup(RECIPES, source, "recipe")()
    model = settings.model.bare()
    wanted: dict[str, dict[str, Any]] = {"no block": {"ga": "none", "ld": "none"}, f"{model.ga} alone": {"ld": "none"},
              f"{model.ga} + {model.ld}": {}}  # fmt: skip
    settled = {name: replace(model, **changes) for name, changes in wanted.items()}
    different = {name: each for i, (name, each) in enumerate(settled.items()) if each not in [*settled.values()][:i]}
    classes = len(content.labels) if content else 20
    tasks = {name: build_task(replace(settings, model=each)) for name, each in different.items()}
    networks = {name: task.build_model(classes).to(fabric.device) for name, task in tasks.items()}
    task = build_task(settings)
    picture = torch.randint(256, (3, *size), dtype=torch.uint8, device=fabric.device)

    def look(network: Any) -> None:
        with fabric.autocast():
            task.build_predictor(network)(picture)
        if fabric.device.type == "cuda":
            torch.cuda.synchronize(fabric.device)

    return measured(networks, look, repetitions)


def _show_networks(rows: list[Row], title: str) -> None:
    from rich.table import Table

    from gald.support.tables import console

    lines = Table("network", title=f"{title}; x: times the first")
    for heading in ("parameters\nmillions", "x", "forward\nms", "x"):
        lines.add_column(heading, justify="right")
    for row in rows:
        millions, ms = float(row["parameters"] or 0) / 1e6, 1e3 * float(row["forward_s"] or 0)
        ratios = (float(row[f"{key}_ratio"] or 0) for key in ("parameters", "forward_s"))
        more, slower = (f"{each:.2f}" for each in ratios)
        lines.add_row(str(row["network"]), f"{millions:.2f}", more, f"{ms:.1f}", slower)
    console(120).print(lines)


def _check_names(ga: Sequence[str], ld: Sequence[str], order: str, reduce: int) -> None:
    from gald.block.aggregation import AGGREGATORS
    from gald.block.distribution import DISTRIBUTORS
    from gald.block.gald import GALD
    from gald.support.errors import UserError, lookup

    for name in ga:
        lookup(AGGREGATORS, name, "global aggregation")
    for name in ld:
        lookup(DISTRIBUTORS, name, "local distribution")
    if not ld:
        raise UserError("--ld names no local distribution; say --ld none for the aggregations alone")
    GALD(1, ga="none", ld="none", order=order, reduce=reduce)  # refuses an order or a reduce that is none


def _check_numbers(size: tuple[int, int], channels: int, batch: int, repetitions: int | None) -> None:
    from gald.support.errors import UserError

    given: dict[str, tuple[int, ...]] = {"size": size, "channels": (channels,), "batch": (batch,)}
    if repetitions is not None:
        given["repetitions"] = (repetitions,)
    for name, values in given.items():
        if min(values) < 1:
            raise UserError(f"--{name} is {' '.join(map(str, values))}; it must be at least 1")


def _check_size(plain: Case) -> None:
    """Refuse what can't be had by far, before torch tries."""
    import torch

    from gald.analysis.profiling.memory import free_mib
    from gald.support.errors import UserError

    free = min(free_mib(torch.device(plain.device)), 2.0**24)  # 16 TiB where the system doesn't tell
    weights, numbers = plain.channels**2 * 9, plain.batch * plain.channels * plain.size[0] * plain.size[1]
    for what, count, choose in (
        (f"a 3x3 convolution of {plain.channels} channels", weights, "--channels"),
        (f"the map of {' x '.join(map(str, plain.shape))} numbers", numbers, "--size, --channels or --batch"),
    ):
        mib = count * 4 / 2**20
        if mib > free:
            raise UserError(f"{what} takes {mib / 1024:.1f} GiB, {free / 1024:.1f} are free: choose a smaller {choose}")


def _name(about: Mapping[str, object]) -> str:
    """``benchmark-amd-epyc-2threads-torch2.15.0-gald0.1.0-20261121-1646.csv``: no run overwrites another."""
    import re

    date = re.sub(r"\D", "", str(about["date"]))
    parts = ["benchmark", about["device"], f"{about['threads']}threads", f"torch{about['torch']}",
             f"gald{about['gald']}", f"{date[:8]}-{date[8:]}"]  # fmt: skip
    return re.sub(r"[^a-z0-9.]+", "-", "-".join(map(str, parts)).lower()) + ".csv"


def _groups(plain: Case, ga: Sequence[str], ld: Sequence[str]) -> list[list[Case]]:
    """The cases, an aggregation a group: what is timed in turns."""
    from dataclasses import replace

    from gald.block.aggregation import AGGREGATORS

    names = ["none"] if plain.order == "ld" else list(dict.fromkeys(ga or AGGREGATORS))
    lds = ["none"] if plain.order == "ga" else list(dict.fromkeys(ld))
    return [[replace(plain, ga=name, ld=each) for each in lds] for name in names]


# ---- shown and written


def _show(rows: list[Row], plain: Case) -> None:
    """The table, the notes, and what a GPU does to float32."""
    from gald.support.tables import console

    screen = console(160)
    height, width = plain.size
    title = f"{plain.channels} channels, {height}x{width}, batch {plain.batch}, {plain.order}, reduce {plain.reduce}"
    screen.print(table(rows, title))
    notes = [f"{row['ga']} + {row['ld']}: {row['note']}" for row in rows if row["note"]]
    for line in [*notes, *_about_tf32(plain)]:
        screen.print(line, markup=False, highlight=False, soft_wrap=True)


def _about_tf32(plain: Case) -> list[str]:
    """Torch's defaults let convolutions on a GPU compute in TF32, and matrix products not: ratios say less there."""
    import torch

    convolutions, products = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision() != "highest"
    if not plain.device.startswith("cuda") or plain.precision != "32-true" or convolutions == products:
        return []
    kinds = ("convolutions", "matrix products") if convolutions else ("matrix products", "convolutions")
    return [f"32-true on this GPU: {kinds[0]} run in TF32, {kinds[1]} in float32; ratios mix the two"]


def _write(rows: list[Row], about: Mapping[str, str | int], out: Path) -> None:
    from gald.analysis.profiling.table import write_csv

    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_csv(out, [*columns, *about], [{**row, **about} for row in rows])


def table(rows: list[Row], title: str) -> Table:
    """A line a case: each number, and what multiple of the plain convolution's it is."""
    from rich.table import Table

    lines = Table(title=f"{title}; x: times a plain 3x3 convolution")
    lines.add_column("GA")
    lines.add_column("LD")
    for heading in MEASURED:
        lines.add_column(heading, justify="right")
    for number, row in enumerate(rows):
        new = number == 0 or row["ga"] != rows[number - 1]["ga"]
        cells = [_cell(row.get(name), row[f"{name}_ratio"], digits, unit) for name, digits, unit in MEASURED.values()]
        lines.add_row(str(row["ga"]) if new else "", str(row["ld"]), *cells, end_section=number == 0)
    return lines


def _cell(value: str | int | float | None, ratio: str | int | float | None, digits: int, unit: float) -> str:
    if not isinstance(value, (int, float)):
        return "-"
    multiple = f"{ratio:.2f}x" if isinstance(ratio, (int, float)) else "-"
    return f"{value * unit:.{digits}f} {multiple:>7}"
