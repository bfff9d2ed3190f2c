"""What a trained row gets right, as counts a picture, kept so that any resample of the pictures has its numbers too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from jaxtyping import Float64, Integer
from lightning_fabric import Fabric
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from gald.analysis.statistics import FEWEST, blocks, draws
from gald.analysis.tally import Tally, values
from gald.data.segmentation import SegmentationDataset, SegmentationSample
from gald.engine.evaluate import measure
from gald.engine.tasks.segmentation import SegmentationTask
from gald.metrics import MeanIoU
from gald.support.errors import UserError
from gald.support.files import write_whole
from gald.support.progress import track
from gald.support.signals import leave_interrupts_to_the_parent

Counts = Mapping[str, Integer[Tensor, "n p k"]]


class Stopped(Exception):
    """The way out of an evaluation that is to stop; no error, the user's wish."""


def count(
    task: SegmentationTask,
    network: nn.Module,
    pairs: SegmentationDataset,
    fabric: Fabric,
    stop: Callable[[], bool],
    *,
    workers: int,
    what: str,
) -> dict[str, Tensor]:
    """Look at every picture whole, at its own size; the counts of `gald.analysis.tally.Tally`.

    First all predictions, then all counts, each with so many ``workers``: counting takes a CPU longer than a GPU looks.

    Raises:
        Stopped: ``stop`` said so after a picture.
    """
    maps = []

    def keep(prediction: Tensor, sample: SegmentationSample) -> None:
        if stop():
            raise Stopped
        maps.append((prediction.to("cpu", torch.uint8), sample["mask"].to("cpu", torch.uint8)))

    predict = task.build_predictor(network.to(fabric.device).eval())
    metric = MeanIoU(len(pairs.labels)).to(fabric.device)  # the cheapest: the numbers are made of the counts
    measure(task, predict, pairs, metric, fabric, workers=workers, what=what, each=keep)
    quiet = leave_interrupts_to_the_parent if workers else None
    counted: Any = DataLoader(_Counted(maps, len(pairs.labels)), None, num_workers=workers, worker_init_fn=quiet)
    rows: dict[str, list[Tensor]] = {}
    for counts in track(counted, f"count {what}", len(maps)):
        if stop():
            raise Stopped
        for key, value in counts.items():
            rows.setdefault(key, []).append(value)
    return {key: torch.cat(values) for key, values in rows.items()}


class _Counted(Dataset[dict[str, Tensor]]):
    """The counts of one picture, of (prediction, truth) as train ids."""

    def __init__(self, maps: Sequence[tuple[Tensor, Tensor]], num_classes: int) -> None:
        self.maps, self.num_classes = maps, num_classes

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        tally = Tally(self.num_classes)
        prediction, truth = self.maps[index]
        tally.add(prediction.long(), truth.long())
        return tally.counts()


def save_counts(path: Path, counts: Counts) -> None:
    """Write counts as .safetensors."""
    write_whole(path, safetensors.torch.save({key: each.contiguous() for key, each in counts.items()}))


def load_counts(path: Path) -> dict[str, Tensor]:
    """Read what `save_counts` wrote."""
    try:
        return safetensors.torch.load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise UserError(f"can't read the counts at {path}: {error}; delete its folder to run the row again") from None


@dataclass(frozen=True)
class Numbers:
    """The numbers of one row and seed on one split: keys ``"miou"``, ``"iou/Pole"``, ``"boundary_iou"``, ..."""

    scores: dict[str, float]
    """In [0, 1]; NaN for what does not occur."""
    drawn: dict[str, Float64[Tensor, " r"]]
    """The same in each resample of the pictures; empty where there are too few pictures to resample."""


def numbers(counts: Counts, classes: Sequence[str], weights: Float64[Tensor, "r n"] | None) -> Numbers:
    """Numbers of the summed counts; ``weights`` are `resamples`."""
    everything = torch.ones(1, len(next(iter(counts.values()))), dtype=torch.float64)
    scores = {key: each.item() for key, each in _weighed(counts, classes, everything).items()}
    return Numbers(scores, {} if weights is None else _weighed(counts, classes, weights))


def resamples(pairs: SegmentationDataset, data: str) -> Float64[Tensor, "r n"] | None:
    """How often each picture is in each resample, the same for every row and seed; None for too few pictures."""
    block = blocks([pairs.name(i) for i in range(len(pairs))], data)
    return draws(block) if int(block.max()) + 1 >= FEWEST else None


def _weighed(counts: Counts, classes: Sequence[str], weights: Float64[Tensor, "r n"]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for key, each in counts.items():
        if key == "truth":
            continue
        by_class = values((weights @ each.double().flatten(1)).reshape(-1, *each.shape[1:]))
        found["miou" if key == "iou" else key] = by_class.nanmean(1)
        if key == "iou":
            found |= {f"iou/{name}": by_class[:, i] for i, name in enumerate(classes)}
    return found
