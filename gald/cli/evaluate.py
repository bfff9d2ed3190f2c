"""``gald evaluate``: measure a checkpoint on a data set; a table to read, JSON to keep."""

from __future__ import annotations

from pathlib import Path

from gald.cli.options import DatasetChoice, Runtime, Views
from gald.config.inference import RuntimeConfig, ViewConfig


def evaluate(
    checkpoint: Path | None = None,
    data: DatasetChoice = DatasetChoice(),
    split: str | None = None,
    out: Path | None = None,
    views: Views = ViewConfig(),
    runtime: Runtime = RuntimeConfig(),
    devices: int = 1,
    workers: int = 2,
) -> None:
    """Measure a checkpoint on a data set.

    A segmentation network: IoU per class, Boundary IoU, boundary F-score, IoU by object size. A detector: VOC's AP,
    COCO's AP by size, of masks and their boundaries too if it gives masks. --tile, --overlap, --scales and --flip are
    for segmentation networks.

    Args:
        checkpoint: best.safetensors or last.pt of a run; if left out, the network in the box (on pictures as they
            are: nothing is resized for it here).
        data: the data set.
        split: which part of it; the run's validation split if left out (test, for the network in the box).
        out: where the numbers go as JSON; beside the checkpoint if left out (here, for the network in the box).
        views: how pictures are looked at.
        runtime: where it runs.
        devices: processes; every picture is counted once.
        workers: loading processes for each device.
    """
    from gald.engine.evaluate import evaluate_checkpoint
    from gald.support.tables import console

    found = evaluate_checkpoint(
        checkpoint, name=data.name, root=data.root, split=split, out=out, views=views, runtime=runtime,
        devices=devices, workers=workers,
    )  # fmt: skip
    if found is not None:
        console(190).print(found.table)
        print(f"peak memory: {found.peak_memory_gb} GB\nnumbers: {found.file}")
