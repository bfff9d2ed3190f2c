"""``gald compare A B``: two checkpoints or folders of predictions on the same pictures, as one page to read."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.table import Table
from tyro.conf import Positional, arg

from gald.cli.options import Runtime, SegmentationChoice
from gald.config.inference import RuntimeConfig
from gald.support.errors import UserError
from gald.support.tables import console, percent

if TYPE_CHECKING:
    from gald.analysis.compare import Comparison


def compare(
    a: Annotated[Positional[Path], arg(metavar="A")],
    b: Annotated[Positional[Path], arg(metavar="B")],
    data: SegmentationChoice = SegmentationChoice(),
    split: str | None = None,
    out: Path = Path("report.html"),
    runtime: Runtime = RuntimeConfig(),
) -> None:
    """Compare two segmentations of the same pictures: is B better than A, where, and on which pictures?

    Writes a page (HTML, everything in it) with the numbers of both, intervals of their differences, curves by distance
    to a boundary and by size, and the pictures that gained and lost most; the numbers as JSON beside it.

    Args:
        a: best.safetensors or last.pt of a run, or a folder of label maps (PNG, in the data set's own ids, as gald
            predict writes them into labels/).
        b: the other; differences are B - A.
        data: the data set.
        split: which part of it; if left out, the first checkpoint's validation split, or val for two folders.
        out: the page; its name ends in .html.
        runtime: where the networks run.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--out is {out}; its name must end in .html (the numbers go into .json beside it)")

    from gald import __version__
    from gald.analysis.compare import Report, gallery
    from gald.analysis.compare import compare as compare_predictions
    from gald.analysis.compare.inputs import open_inputs
    from gald.support.device import create_fabric, describe_device
    from gald.support.files import check_writable

    numbers = out.with_suffix(".json")
    for path in (out, numbers):
        check_writable(path)
    fabric = create_fabric(runtime.accelerator, precision=runtime.precision)
    inputs = open_inputs((a, b), data.name, data.root, split, fabric)
    for note in inputs.notes:
        print(f"gald: {note}", file=sys.stderr)

    result = compare_predictions(inputs.dataset, inputs.a, inputs.b, inputs.data)
    about = f"{inputs.data} {inputs.split}, {len(inputs.dataset)} pictures"
    show(result, f"{about}; A is {inputs.a.title}, B is {inputs.b.title}")
    flags = {"data.name": data.name, "data.root": data.root, "split": inputs.split, "out": out}
    Report(
        result,
        inputs,
        *gallery(result, inputs.dataset, inputs.a, inputs.b),
        command=command(a, b, {**flags, "precision": None if runtime.precision == "32-true" else runtime.precision}),
        versions=f"gald {__version__}, {describe_device(fabric.device)}, networks in {runtime.precision}",
    ).write(out, numbers)
    print(f"page: {out} ({out.stat().st_size / 1e6:.2f} MB)\nnumbers: {numbers}")


def command(a: Path, b: Path, flags: dict[str, str | Path | None]) -> str:
    """The command that makes the report again, with the paths as they were given."""
    given = [(f"--{name}", str(value)) for name, value in flags.items() if value is not None]
    return shlex.join(["gald", "compare", str(a), str(b), *(word for pair in given for word in pair)])


def show(result: Comparison, title: str) -> None:
    """The main table, and what it means."""
    from gald.analysis.compare.report import MAIN
    from gald.analysis.compare.sentences import caution, interval, points, verdict

    table, screen = Table("percent", title=title), console()
    for heading in ("A", "B", "B - A", "95 % interval"):
        table.add_column(heading, justify="right")
    for key, name in MAIN.items():
        number = result.numbers[key]
        table.add_row(name, percent(number.a, 2), percent(number.b, 2), points(number.difference), interval(number))
    screen.print(table)
    for sentence in [*([] if result.same else [verdict(result.numbers["miou"], "mIoU")]), caution(result)]:
        screen.print(sentence, markup=False, highlight=False)
