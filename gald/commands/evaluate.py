"""``gald evaluate``: measure a checkpoint on a data set; a table to read, JSON to keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Where:
    """The data set; what is left out is taken from the checkpoint."""

    name: str | None = None
    """ade20k, camvid, camvid32, camvid_original11, cityscapes, coco_stuff10k, coco_stuff164k, folder,
    mapillary, mapillary19, mapillary_v2, pascal_context59, pascal_context60, synthetic or voc2012."""
    root: Path | None = None
    """The data set's folder."""


def evaluate(
    checkpoint: Path,
    data: Where = Where(),  # frozen: no call can change it
    split: str | None = None,
    out: Path | None = None,
    tile: tuple[int, int] | None = None,
    overlap: float = 1 / 3,
    scales: tuple[float, ...] = (1.0,),
    flip: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    devices: int = 1,
    workers: int = 2,
) -> None:
    """Measure a checkpoint: IoU per class, Boundary IoU, boundary F-score, IoU by object size.

    Args:
        checkpoint: best.safetensors or last.pt of a run.
        data: the data set.
        split: which part of it; the run's validation split if left out.
        out: where the numbers go as JSON; beside the checkpoint if left out.
        tile: height and width of sliding-window tiles; the whole picture at once if left out.
        overlap: of neighbouring tiles, 0 up to (not including) 1.
        scales: the picture is also looked at enlarged and shrunk by these; probabilities are averaged.
        flip: also look at the mirrored picture.
        precision: of the network.
        accelerator: where it runs.
        devices: processes; every picture is counted once.
        workers: loading processes for each device.
    """
    from gald import machine
    from gald.errors import UserError
    from gald.evaluation import measure
    from gald.files import check_writable
    from gald.inference import compose
    from gald.metrics import segmentation_metrics
    from gald.tasks import segment
    from gald.together import launched

    if workers < 0:
        raise UserError(f"workers is {workers}; it must be 0 or more")
    fabric = machine.fabric(accelerator, devices, precision=precision)
    network, content = segment.load_model(checkpoint)
    trained_on = content.config.data
    settings = replace(trained_on, name=data.name or trained_on.name, root=data.root or trained_on.root)
    split = split or settings.val_split
    pairs = segment.data(settings, split)
    segment.check_classes(content, pairs, checkpoint)
    out = out or checkpoint.with_name(f"{checkpoint.stem}-{settings.name}-{split}.json")
    check_writable(out)

    names = [label.name for label in pairs.labels]
    with launched(fabric):
        # no setup: DDP talks in every forward, and would wait for a process that has fewer pictures
        predict = compose(network.to(fabric.device), tile=tile, overlap=overlap, scales=scales, flip=flip)
        metrics = segmentation_metrics(len(names), names).to(fabric.device)
        scores = measure(predict, pairs, metrics, fabric, workers=workers)
        if scores["miou"] != scores["miou"]:
            raise UserError(f"no pixel of {settings.name}'s split {split!r} has a label: there is nothing to measure")
        about = {
            "checkpoint": str(checkpoint), "step": content.step, "data": settings.name, "split": split,
            "pictures": len(pairs), "tile": tile, "overlap": overlap, "scales": scales, "flip": flip,
            "precision": precision, "machine": machine.describe(fabric.device),
        }  # fmt: skip
        if fabric.is_global_zero:
            report(scores, names, about, out)


def report(scores: dict[str, float], names: list[str], about: dict[str, Any], out: Path) -> None:
    """The table on the screen, the numbers as JSON in ``out``."""
    import json
    import sys

    from rich.console import Console

    from gald.files import write_whole

    title = f"{about['data']} {about['split']}, {about['pictures']} pictures"
    Console(width=None if sys.stdout.isatty() else 120).print(table(scores, names, title))
    numbers = {key: None if value != value else value for key, value in scores.items()}  # NaN is not JSON
    write_whole(out, json.dumps({**about, "scores": numbers}, indent=2).encode())
    print(f"numbers: {out}")


COLUMNS = {
    "IoU": "iou/{}",
    "Boundary IoU": "boundary_iou/{}",
    "F 3 px": "boundary_f/3px/{}",
    "F 5 px": "boundary_f/5px/{}",
    "F 9 px": "boundary_f/9px/{}",
    "F 12 px": "boundary_f/12px/{}",
    "IoU small": "iou_small/{}",
    "medium": "iou_medium/{}",
    "large": "iou_large/{}",
}
MEANS = ("miou", "boundary_iou", "boundary_f/3px", "boundary_f/5px", "boundary_f/9px", "boundary_f/12px",
         "iou_small", "iou_medium", "iou_large")  # fmt: skip


def table(scores: dict[str, float], names: list[str], title: str) -> Table:
    """One row a class, the mean last; percent, n/a where a class does not occur."""
    from rich.table import Table

    sheet = Table(title=f"{title}; pixel accuracy {percent(scores['pixel_accuracy'])} %")
    sheet.add_column("class")
    for column in COLUMNS:
        sheet.add_column(column, justify="right")
    for name in names:
        sheet.add_row(name, *(percent(scores[key.format(name)]) for key in COLUMNS.values()))
    sheet.add_section()
    sheet.add_row("mean", *(percent(scores[key]) for key in MEANS), style="bold")
    return sheet


def percent(value: float) -> str:
    """One decimal, or n/a."""
    return "n/a" if value != value else f"{100 * value:.1f}"
