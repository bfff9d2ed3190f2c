"""Tasks: what a run trains on, what its network is, what its losses and metrics are.

A task is a module with the same names; `gald.engine.train` and the commands run any of them:

- ``SCORE``: key and words of the number that the best checkpoint is chosen by; ``BACKBONE``: how the names of the
  backbone's parameters begin
- ``data(settings, split)``, ``augmentation(settings)``, ``collate``, ``names(batch)``: what is trained on
- ``model(settings.model, num_classes)``: the network
- ``losses(settings, data, shown)``: a function from (network, batch) to a dictionary with ``"loss"``;
  ``sound(network, batch, loss_of)``: a number that is finite if the network works in evaluation mode
- ``samples(data)``, ``answers(network)``, ``metrics(labels)``: what a validation measures; ``all_metrics(data)`` and
  ``table(scores, data)``: what an evaluation measures and shows
- ``views(network, ...)``, ``shown(network)``, ``files(...)``: how pictures are looked at, and what is written of them
- ``restored(checkpoint, path)``: the network of a checkpoint
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from torch import nn

from gald.engine import checkpoint
from gald.engine.tasks import detection as detect
from gald.engine.tasks import segmentation as segment
from gald.models.pretrained import STREETS

TASKS: dict[str, ModuleType] = {"segment": segment, "detect": detect}


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
    network: nn.Module = TASKS[content.config.task].restored(content, path)
    return network, content
