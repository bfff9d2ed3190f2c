"""``gald submit``: predict a benchmark's pictures and write the archive that its server takes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import tyro

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from gald.data.labels import Label
    from gald.engine.submission import Map, Server

T = TypeVar("T")


@dataclass(frozen=True)
class Where:
    """The data set."""

    root: Path
    """The data set's folder."""


def submit(
    benchmark: Annotated[str, tyro.conf.Positional],
    checkpoint: Path,
    data: Where,
    out: Path,
    split: str | None = None,
    tile: int | tuple[int, int] | None = None,
    overlap: float = 1 / 3,
    scales: tuple[float, ...] = (1.0,),
    flip: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> None:
    """Predict every picture of a benchmark's test set, and write and check the archive for its server.

    A run that was stopped goes on when the same command is given again.

    Args:
        benchmark: cityscapes, ade20k or coco_stuff.
        checkpoint: best.safetensors or last.pt of a run.
        data: the data set.
        out: the archive (ends in .zip), or a folder for it; finished pictures wait beside it in a folder .work.
        split: test (test-dev for coco_stuff), or val, to try the archive on the official tools.
        tile: side, or height and width, of sliding-window tiles, for pictures too large for the memory.
        overlap: of neighbouring tiles, 0 up to (not including) 1.
        scales: the picture is also looked at enlarged and shrunk by these; probabilities are averaged.
        flip: also look at the mirrored picture.
        precision: of the network.
        accelerator: where it runs.
    """
    import torch

    from gald.engine.checkpoint import check_classes
    from gald.engine.inference import both_sides, compose
    from gald.engine.submission import SUBMISSIONS
    from gald.engine.submission.making import label_maps, write
    from gald.engine.submission.work import begin, places, settings_of
    from gald.engine.tasks.segmentation import load_segmenter
    from gald.support.device import create_fabric
    from gald.support.errors import UserError, lookup
    from gald.support.files import check_writable
    from gald.support.signals import stop_on_signals

    server = lookup(SUBMISSIONS, benchmark, "benchmark")
    split = split or server.splits[0]
    lookup(dict.fromkeys(server.splits), split, f"split for {benchmark}")
    fabric = create_fabric(accelerator, precision=precision)
    network, _, content = load_segmenter(checkpoint)
    pairs = server.pairs(data.root, split)
    check_classes(content, pairs.labels, checkpoint)

    archive, work = places(out, f"{benchmark}-{split}")
    check_writable(archive)
    views: dict[str, Any] = {"tile": both_sides(tile), "overlap": overlap, "scales": scales, "flip": flip}
    predict = compose(network.to(fabric.device), **views)  # a view that can't be leaves no folder behind
    settings = settings_of(checkpoint, pairs, benchmark=benchmark, split=split, **views, precision=precision)
    begin(archive, work, settings)

    def train_ids(image: Tensor) -> Tensor:
        try:
            with torch.inference_mode(), fabric.autocast():
                return predict(image[None].to(fabric.device)).argmax(1)[0].cpu()
        except torch.OutOfMemoryError:
            size = "x".join(map(str, image.shape[:0:-1]))
            raise UserError(f"a picture of {size} does not fit into the memory; give --tile SIDE") from None

    classes = server.classes(pairs.labels)
    with stop_on_signals() as stop:
        watch = partial(watched, stop=stop)
        maps = label_maps(classes, pairs, work, train_ids, watch)
        seen = write(server, archive, maps, split, classes, watch)
    report(server, archive, maps, seen, classes)


def watched(items: Sequence[T], what: str, stop: Callable[[], bool]) -> Iterator[T]:
    """Iterate with a progress bar; a wish to stop ends the command between two items."""
    from gald.support.progress import track

    for each in track(items, what, len(items)):
        if stop():
            print("gald: stopped; the same command goes on from here", file=sys.stderr)
            raise SystemExit(130)
        yield each


def report(server: Server, archive: Path, maps: list[Map], seen: set[int], classes: Sequence[Label]) -> None:
    """What the archive holds, and where it goes."""
    from rich.table import Table

    from gald.engine.submission.work import sizes
    from gald.support.tables import console

    names = {each.id: each.name for each in classes}
    unseen = [name for value, name in names.items() if value not in seen]
    megabytes = archive.stat().st_size / 1e6
    sheet = Table(title=str(archive), show_header=False)
    sheet.add_row("pictures", str(len(maps)))
    sheet.add_row("size", sizes([each.size for each in maps]))
    sheet.add_row("archive", f"{megabytes:.1f} MB")
    sheet.add_row("classes seen", f"{len(seen)} of {len(names)}")
    if unseen:
        sheet.add_row("never predicted", ", ".join(unseen[:12]) + (", ..." if len(unseen) > 12 else ""))
    sheet.add_row("upload to", server.page)
    console(120).print(sheet, markup=False)
    if server.limit is not None and megabytes > server.limit:
        print(f"gald: the archive has {megabytes:.0f} MB, the server takes {server.limit} MB at most", file=sys.stderr)
        raise SystemExit(1)
