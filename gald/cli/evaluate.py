"""``gald evaluate``: measure a checkpoint on a data set; a table to read, JSON to keep."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from gald.models.pretrained import STREETS

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Where:
    """The data set; what is left out is taken from the checkpoint."""

    name: str | None = None
    """ade20k, camvid, camvid32, camvid_original11, cityscapes, coco_stuff10k, coco_stuff164k, folder,
    mapillary, mapillary19, mapillary_v2, pascal_context59, pascal_context60, synthetic or voc2012;
    for a detector coco, coco_folder, shapes, voc0712 or voc_folder."""
    root: Path | None = None
    """The data set's folder."""


def evaluate(
    checkpoint: Path | None = None,
    data: Where = Where(),  # frozen: no call can change it
    split: str | None = None,
    out: Path | None = None,
    tile: int | tuple[int, int] | None = None,
    overlap: float = 1 / 3,
    scales: tuple[float, ...] = (1.0,),
    flip: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    devices: int = 1,
    workers: int = 2,
) -> None:
    """Measure a checkpoint on a data set.

    A segmentation network: IoU per class, Boundary IoU, boundary F-score, IoU by object size. A detector: VOC's AP,
    COCO's AP by size, of masks and their boundaries too if it gives masks.

    Args:
        checkpoint: best.safetensors or last.pt of a run; if left out, the network in the box (on pictures as they
            are: nothing is resized for it here).
        data: the data set.
        split: which part of it; the run's validation split if left out (test, for the network in the box).
        out: where the numbers go as JSON; beside the checkpoint if left out (here, for the network in the box).
        tile: side, or height and width, of sliding-window tiles; the whole picture at once if left out (segmentation
            only, as are overlap, scales and flip).
        overlap: of neighbouring tiles, 0 up to (not including) 1.
        scales: the picture is also looked at enlarged and shrunk by these; probabilities are averaged.
        flip: also look at the mirrored picture.
        precision: of the network.
        accelerator: where it runs.
        devices: processes; every picture is counted once.
        workers: loading processes for each device.
    """
    from gald.engine.checkpoint import check_classes
    from gald.engine.evaluate import measure
    from gald.engine.inference import both_sides
    from gald.engine.tasks import build_task, load_model
    from gald.support.device import create_fabric, describe_device, peak_memory
    from gald.support.distributed import launched
    from gald.support.errors import UserError
    from gald.support.files import check_writable

    if workers < 0:
        raise UserError(f"workers is {workers}; it must be 0 or more")
    fabric = create_fabric(accelerator, devices, precision=precision)
    path = checkpoint or STREETS
    network, content = load_model(path)
    run = content.config
    run = replace(run, data=replace(run.data, name=data.name or run.data.name, root=data.root or run.data.root))
    split = split or run.data.val_split
    task = build_task(run)
    examples = task.build_dataset(split)
    check_classes(content, examples.labels, path)
    if not examples.labelled:
        raise UserError(f"{run.data.name}'s split {split!r} has no labels: there is nothing to measure")
    folder = checkpoint.parent if checkpoint else Path()  # nothing is written into the package
    out = out or folder / f"{path.stem}-{run.data.name}-{split}.json"
    check_writable(out)

    with launched(fabric):
        seen = run.data.name == content.config.data.name and split in run.data.train_split  # also of "trainval"
        if seen and fabric.is_global_zero:
            print(f"note: it was trained on {run.data.train_split!r}; of pictures it hasn't seen this says nothing")
        # no setup: DDP talks in every forward, and would wait for a process that has fewer pictures
        views: dict[str, Any] = {"tile": both_sides(tile), "overlap": overlap, "scales": scales, "flip": flip}
        predict = task.build_predictor(network.to(fabric.device), **views)
        metrics = task.build_metrics(examples, complete=True).to(fabric.device)
        scores = measure(task, predict, examples, metrics, fabric, workers=workers)
        if math.isnan(scores[task.score]):
            raise UserError(f"nothing in {run.data.name}'s split {split!r} has a label: there is nothing to measure")
        about = {
            "checkpoint": str(checkpoint or path.name), "step": content.step, "data": run.data.name, "split": split,
            "pictures": len(examples), **views, "precision": precision,
            "peak_memory_gb": round(peak_memory(fabric.device), 2), "machine": describe_device(fabric.device),
        }  # fmt: skip
        if fabric.is_global_zero:
            report(scores, task.score_table(scores, examples), about, out)


def report(scores: dict[str, float], sheet: Table, about: dict[str, Any], out: Path) -> None:
    """The table on the screen, the numbers as JSON in ``out``."""
    from gald.support.files import write_json
    from gald.support.tables import console

    sheet.title = f"{about['data']} {about['split']}, {about['pictures']} pictures; {sheet.title}"
    console(190).print(sheet)
    write_json(out, {**about, "scores": scores})
    print(f"peak memory: {about['peak_memory_gb']} GB\nnumbers: {out}")
