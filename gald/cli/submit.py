"""``gald submit``: predict a benchmark's pictures and write the archive that its server takes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from gald.cli.options import Runtime, Views
from gald.config.inference import RuntimeConfig, ViewConfig
from gald.engine.submission import SUBMISSIONS

if TYPE_CHECKING:
    from gald.engine.submission.submit import Submission


@dataclass(frozen=True)
class DatasetFolder:
    """The data set."""

    root: Path
    """The data set's folder."""


def submit(
    benchmark: Annotated[Positional[str], arg(help=f"{', '.join(SUBMISSIONS)}.")],
    checkpoint: Path,
    data: DatasetFolder,
    out: Path,
    split: str | None = None,
    views: Views = ViewConfig(),
    runtime: Runtime = RuntimeConfig(),
) -> None:
    """Predict every picture of a benchmark's test set, and write and check the archive for its server.

    A run that was stopped goes on when the same command is given again.

    Args:
        benchmark: whose server it is for.
        checkpoint: best.safetensors or last.pt of a run.
        data: the data set.
        out: the archive (ends in .zip), or a folder for it; finished pictures wait beside it in a folder .work.
        split: test (test-dev for coco_stuff), or val, to try the archive on the official tools.
        views: how pictures are looked at.
        runtime: where it runs.
    """
    from gald.engine.submission import submit as submission

    made = submission.submit(benchmark, checkpoint, data.root, out, split=split, views=views, runtime=runtime)
    _show(made)
    megabytes, limit = made.archive.stat().st_size / 1e6, made.server.limit
    if limit is not None and megabytes > limit:
        print(f"gald: the archive has {megabytes:.0f} MB, the server takes {limit} MB at most", file=sys.stderr)
        raise SystemExit(1)


def _show(made: Submission) -> None:
    """What the archive holds, and where it goes."""
    from rich.table import Table

    from gald.engine.submission.work import sizes
    from gald.support.tables import console

    names = {label.id: label.name for label in made.classes}
    unseen = [name for value, name in names.items() if value not in made.seen]
    sheet = Table(title=str(made.archive), show_header=False)
    sheet.add_row("pictures", str(len(made.maps)))
    sheet.add_row("size", sizes([label_map.size for label_map in made.maps]))
    sheet.add_row("archive", f"{made.archive.stat().st_size / 1e6:.1f} MB")
    sheet.add_row("classes seen", f"{len(made.seen)} of {len(names)}")
    if unseen:
        sheet.add_row("never predicted", ", ".join(unseen[:12]) + (", ..." if len(unseen) > 12 else ""))
    sheet.add_row("upload to", made.server.page)
    console(120).print(sheet, markup=False)
