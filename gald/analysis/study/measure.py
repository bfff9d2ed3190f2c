"""What a trained row gets right, as counts a picture, kept so that any resample of the pictures has its numbers too."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from gald.analysis.statistics.counts import Counts, PictureCounter, stacked
from gald.data.segmentation import SegmentationDataset, SegmentationSample
from gald.engine.evaluate import measure
from gald.engine.tasks.segmentation import SegmentationTask
from gald.metrics import MeanIoU
from gald.support.errors import UserError
from gald.support.files import write_whole
from gald.support.progress import track
from gald.support.signals import ignore_interrupts


class Stopped(Exception):
    """The way out of an evaluation that is to stop; no error, the user's wish."""


def count_pictures(
    task: SegmentationTask,
    network: nn.Module,
    dataset: SegmentationDataset,
    fabric: Fabric,
    stop: Callable[[], bool],
    *,
    workers: int,
    what: str,
) -> dict[str, Tensor]:
    """Look at every picture whole, at its own size; the counts of `gald.analysis.statistics.counts.PictureCounter`.

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
    metric = MeanIoU(len(dataset.labels)).to(fabric.device)  # the cheapest: the numbers are made of the counts
    measure(task, predict, dataset, metric, fabric, workers=workers, what=what, keep=keep)
    quiet = ignore_interrupts if workers else None
    counted: Any = DataLoader(_Counted(maps, len(dataset.labels)), None, num_workers=workers, worker_init_fn=quiet)
    pictures = []
    for counts in track(counted, f"count {what}", len(maps)):
        if stop():
            raise Stopped
        pictures.append(counts)
    return stacked(pictures)


class _Counted(Dataset[dict[str, Tensor]]):
    """The counts of one picture, of (prediction, truth) as train ids."""

    def __init__(self, maps: Sequence[tuple[Tensor, Tensor]], num_classes: int) -> None:
        self.maps, self.counter = maps, PictureCounter(num_classes)

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        prediction, truth = self.maps[index]
        return self.counter.count(prediction.long(), truth.long())


def save_counts(path: Path, counts: Counts) -> None:
    """Write counts as .safetensors."""
    write_whole(path, safetensors.torch.save({key: value.contiguous() for key, value in counts.items()}))


def load_counts(path: Path) -> dict[str, Tensor]:
    """Read what `save_counts` wrote."""
    try:
        return safetensors.torch.load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise UserError(f"can't read the counts at {path}: {error}; delete its folder to run the row again") from None
