"""Measuring a network on a data set: every picture once, over as many processes as there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader, Dataset, Subset
from torchmetrics import Metric, MetricCollection

from gald.support.distributed import together
from gald.support.progress import track
from gald.support.signals import leave_interrupts_to_the_parent


class Ready(Dataset[Any]):
    """The samples of a data set as the network takes them, without augmentation."""

    def __init__(self, data: Dataset[Any], transform: Callable[[Any], Any]) -> None:
        self.data, self.transform = data, transform

    def __len__(self) -> int:
        length: int = len(self.data)  # type: ignore[arg-type]  # torch's Dataset promises no length, ours have one
        return length

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.data[index])


@torch.inference_mode()
def measure(
    answer: Callable[[Any], tuple[Any, Any]],
    samples: Ready,
    metrics: Metric | MetricCollection,
    fabric: Fabric,
    *,
    workers: int = 0,
    what: str = "evaluate",
    each: Callable[[str, Any, Any], None] | None = None,
) -> dict[str, float]:
    """Run ``answer`` (sample -> prediction and truth, as the metrics take them) over samples; what the metrics say.

    Process r of R takes samples r, r + R, ...: none is padded or counted twice. ``each`` is called with name,
    prediction and truth of every picture.
    """
    mine = Subset(samples, range(fabric.global_rank, len(samples), fabric.world_size))
    quiet = leave_interrupts_to_the_parent if workers else None
    loader: Any = DataLoader(mine, batch_size=None, num_workers=workers, worker_init_fn=quiet)

    def look() -> None:
        for sample in track(loader, what, len(mine), shown=bool(fabric.is_global_zero)):
            with fabric.autocast():
                prediction, truth = answer(fabric.to_device(sample))
            metrics.update(prediction, truth)
            if each is not None:
                each(sample["name"], prediction, truth)

    together(fabric, look)  # a faulty file that one process meets ends all, before they wait for each other's counts
    return {key: float(value) for key, value in metrics.compute().items()}
