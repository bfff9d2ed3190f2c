"""Measuring a network on a data set: every picture once, over as many processes as there are."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from torchmetrics import Metric, MetricCollection

from gald.config.inference import RuntimeConfig, ViewConfig
from gald.engine.checkpoint import check_classes
from gald.engine.tasks import build_task, load_model
from gald.engine.tasks.task import DatasetT, PredictionT, SampleT, Task
from gald.models.pretrained import STREETS
from gald.support.device import create_fabric, describe_device, peak_memory
from gald.support.distributed import on_all_ranks, process_group
from gald.support.errors import UserError
from gald.support.files import check_writable, write_json
from gald.support.progress import track
from gald.support.signals import ignore_interrupts


@torch.inference_mode()
def measure(
    task: Task[DatasetT, SampleT, PredictionT],
    predict: Callable[[Tensor], PredictionT],
    dataset: DatasetT,
    metrics: Metric | MetricCollection,
    fabric: Fabric,
    *,
    workers: int = 0,
    what: str = "evaluate",
    keep: Callable[[PredictionT, SampleT], None] | None = None,
) -> dict[str, float]:
    """Predict every picture of a data set; what the metrics say of it.

    Process r of R takes samples r, r + R, ...: none is padded or counted twice. ``keep`` is called with every
    prediction and its sample.
    """
    mine = Subset(task.evaluation_samples(dataset), range(fabric.global_rank, len(dataset), fabric.world_size))
    quiet = ignore_interrupts if workers else None
    loader: Iterable[SampleT] = DataLoader(mine, batch_size=None, num_workers=workers, worker_init_fn=quiet)

    def look() -> None:
        for sample in track(loader, what, len(mine), shown=bool(fabric.is_global_zero)):
            with fabric.autocast():
                sample = fabric.to_device(sample)
                prediction = predict(sample["image"])
            task.update_metrics(metrics, prediction, sample)
            if keep is not None:
                keep(prediction, sample)

    # a faulty file that one process meets ends all, before they wait for each other's counts
    on_all_ranks(fabric, look)
    return {key: float(value) for key, value in metrics.compute().items()}


@dataclass(frozen=True)
class Evaluation:
    """What came of an evaluation: a table to read, and the file that holds the numbers."""

    table: Table
    file: Path
    peak_memory_gb: float


def evaluate_checkpoint(
    checkpoint: Path | None,
    *,
    name: str | None = None,
    root: Path | None = None,
    split: str | None = None,
    out: Path | None = None,
    views: ViewConfig = ViewConfig(),
    runtime: RuntimeConfig = RuntimeConfig(),
    devices: int = 1,
    workers: int = 2,
) -> Evaluation | None:
    """Measure the network of a checkpoint, or that in the box, on a data set; None on all processes but the first.

    Data set and split are the run's, where they are left out. What can't be is refused before the work, a file that
    can't be written last.
    """
    if workers < 0:
        raise UserError(f"--workers is {workers}; it must be 0 or more")
    fabric = create_fabric(runtime.accelerator, devices, precision=runtime.precision)
    path = checkpoint or STREETS
    network, content = load_model(path)
    trained_on = content.config.data
    data = replace(trained_on, name=name or trained_on.name, root=root or trained_on.root)
    split = split or data.val_split
    task = build_task(replace(content.config, data=data))
    dataset = task.build_dataset(split)
    check_classes(content, dataset.labels, path)
    if not dataset.labelled:
        raise UserError(f"{data.name}'s split {split!r} has no labels: there is nothing to measure")
    task.build_predictor(network, views)  # refuses a view that can't be
    folder = checkpoint.parent if checkpoint else Path()  # nothing is written into the package
    out = out or folder / f"{path.stem}-{data.name}-{split}.json"
    check_writable(out)

    with process_group(fabric):
        seen = data.name == trained_on.name and split in data.train_split  # also of "trainval"
        if seen and fabric.is_global_zero:
            print(f"note: it was trained on {data.train_split!r}; of pictures it hasn't seen this says nothing")
        # no setup: DDP talks in every forward, and would wait for a process that has fewer pictures
        predict = task.build_predictor(network.to(fabric.device), views)
        metrics = task.build_metrics(dataset, complete=True).to(fabric.device)
        scores = measure(task, predict, dataset, metrics, fabric, workers=workers)
        if math.isnan(scores[task.score]):
            raise UserError(f"nothing in {data.name}'s split {split!r} has a label: there is nothing to measure")
    if not fabric.is_global_zero:
        return None
    memory = round(peak_memory(fabric.device), 2)
    about = {"checkpoint": str(checkpoint or path.name), "step": content.step, "data": data.name, "split": split,
             "pictures": len(dataset), **vars(views), "precision": runtime.precision, "peak_memory_gb": memory,
             "machine": describe_device(fabric.device)}  # fmt: skip
    write_json(out, {**about, "scores": scores})
    table = task.score_table(scores, dataset)
    table.title = f"{data.name} {split}, {len(dataset)} pictures; {table.title}"
    return Evaluation(table, out, memory)
