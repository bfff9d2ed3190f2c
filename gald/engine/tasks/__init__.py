"""Tasks: what a run trains on, what its network is, what its losses and metrics are.

`gald.engine.tasks.task.Task` is the contract; a new task is a class that keeps it and a line in `build_task`.
"""

from pathlib import Path

from torch import nn

from gald.config.settings import DetectionConfig, RunConfig, SegmentationConfig
from gald.engine import checkpoint
from gald.engine.tasks.detection import DetectionTask
from gald.engine.tasks.segmentation import SegmentationTask
from gald.engine.tasks.task import AnyTask
from gald.models.pretrained import STREETS
from gald.models.segmenter import Segmenter
from gald.support.errors import UserError


def build_task(config: RunConfig) -> AnyTask:
    """The task that a run's settings are for."""
    if isinstance(config, SegmentationConfig):
        return SegmentationTask(config)
    if isinstance(config, DetectionConfig):
        return DetectionTask(config)
    raise TypeError(f"no task takes {type(config).__name__}")


def load(path: str | Path = STREETS) -> nn.Module:
    """The network of a checkpoint (best.safetensors or last.pt), ready to use; without one, the network in the box.

    That one segments streets by day into the 11 classes of ``gald.data.datasets.camvid.LABELS``, whose index is the
    train id; its card, README.md in `gald.models.pretrained`, says how well.

    >>> network = gald.load()  # doctest: +SKIP
    >>> with torch.inference_mode():  # images (B, 3, H, W), uint8 RGB; out (B, H, W) train ids  # doctest: +SKIP
    ...     network(images)["out"].argmax(1)
    """
    return load_model(Path(path))[0]


def load_model(path: Path) -> tuple[nn.Module, checkpoint.Checkpoint]:
    """The network of a checkpoint of any task, in evaluation mode, and what else the file holds."""
    content = checkpoint.load(path)
    network = build_task(content.config).build_model(len(content.labels), initial_weights=False)
    checkpoint.load_weights(network, content.weights, str(path))
    return network.eval(), content


def load_segmenter(path: Path) -> tuple[Segmenter, SegmentationTask, checkpoint.Checkpoint]:
    """The segmentation network of a checkpoint, in evaluation mode, its task, and what else the file holds."""
    network, content = load_model(path)
    if not isinstance(network, Segmenter) or not isinstance(content.config, SegmentationConfig):
        raise UserError(f"{path} is no segmentation network: its task is {content.config.task!r}")
    return network, SegmentationTask(content.config), content
