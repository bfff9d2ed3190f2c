"""Measuring a network on a data set: every picture once, over as many processes as there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from torchmetrics import Metric, MetricCollection

from gald.engine.tasks.task import DatasetT, PredictionT, SampleT, Task
from gald.support.distributed import together
from gald.support.progress import track
from gald.support.signals import leave_interrupts_to_the_parent


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
    each: Callable[[PredictionT, SampleT], None] | None = None,
) -> dict[str, float]:
    """Predict every picture of a data set; what the metrics say of it.

    Process r of R takes samples r, r + R, ...: none is padded or counted twice. ``each`` is called with every
    prediction and its sample.
    """
    mine = Subset(task.evaluation_samples(dataset), range(fabric.global_rank, len(dataset), fabric.world_size))
    quiet = leave_interrupts_to_the_parent if workers else None
    loader: Iterable[SampleT] = DataLoader(mine, batch_size=None, num_workers=workers, worker_init_fn=quiet)

    def look() -> None:
        for sample in track(loader, what, len(mine), shown=bool(fabric.is_global_zero)):
            with fabric.autocast():
                sample = fabric.to_device(sample)
                prediction = predict(sample["image"])
            task.update_metrics(metrics, prediction, sample)
            if each is not None:
                each(prediction, sample)

    together(fabric, look)  # a faulty file that one process meets ends all, before they wait for each other's counts
    return {key: float(value) for key, value in metrics.compute().items()}
