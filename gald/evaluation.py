"""Measuring a network on a data set: every picture once, over as many processes as there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset
from torchmetrics import Metric, MetricCollection

from gald.data import transforms
from gald.data.pairs import Pairs, Sample
from gald.progress import track
from gald.stopping import leave_interrupts_to_the_parent


class Ready(Dataset[Sample]):
    """Pairs as tensors, without augmentation."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs, self.transform = pairs, transforms.evaluate()

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        return self.transform(self.pairs[index])


@torch.inference_mode()
def measure(
    predict: Callable[[Tensor], Tensor],
    pairs: Pairs,
    metrics: Metric | MetricCollection,
    fabric: Fabric,
    *,
    workers: int = 0,
    what: str = "evaluate",
    each: Callable[[str, Tensor, Tensor], None] | None = None,
) -> dict[str, float]:
    """Run ``predict`` (images (1, 3, H, W) uint8 -> logits (1, K, H, W)) over pairs; return what the metrics say.

    Process r of R takes pictures r, r + R, ...: none is padded or counted twice. ``each`` is called with name,
    prediction (H, W) and truth (H, W) of every picture.
    """
    mine = Subset(Ready(pairs), range(fabric.global_rank, len(pairs), fabric.world_size))
    quiet = leave_interrupts_to_the_parent if workers else None
    loader: Any = DataLoader(mine, batch_size=1, num_workers=workers, worker_init_fn=quiet)
    for batch in track(loader, what, len(mine), shown=bool(fabric.is_global_zero)):
        with fabric.autocast():
            logits = predict(batch["image"].to(fabric.device))
        prediction, target = logits.argmax(1), batch["mask"].to(fabric.device)
        metrics.update(prediction, target)
        if each is not None:
            each(batch["name"][0], prediction[0].cpu(), target[0].cpu())
    return {key: float(value) for key, value in metrics.compute().items()}
