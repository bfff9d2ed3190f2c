"""Checkpoints: written whole or not at all, read without executing anything.

Two files leave a run. ``last.pt`` holds what a run needs to go on (weights, optimizer, step);
``best.safetensors`` holds the weights alone. Both carry the settings and the label table, so either is
enough to evaluate and to predict.
"""

import io
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gald.config.serialization import from_json, to_json
from gald.config.settings import RunConfig
from gald.data.labels import Label, check_same_classes
from gald.support.errors import UserError
from gald.support.files import check_file, write_whole

FORMAT = "gald-1"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds. ``optimizer`` is None in a .safetensors file."""

    config: RunConfig
    labels: tuple[Label, ...]
    step: int
    best: float
    weights: dict[str, Tensor]
    optimizer: dict[str, Any] | None = None


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``path`` in the format of its suffix: .safetensors (weights alone) or .pt (all that resuming needs)."""
    about = {
        "format": FORMAT,
        "config": to_json(checkpoint.config),
        "labels": json.dumps([asdict(label) for label in checkpoint.labels]),
        "step": str(checkpoint.step),
        "best": repr(checkpoint.best),
    }
    if path.suffix == ".safetensors":
        weights = {name: value.contiguous() for name, value in checkpoint.weights.items()}
        write_whole(path, safetensors.torch.save(weights, metadata=about))
        return
    buffer = io.BytesIO()
    torch.save({**about, "weights": checkpoint.weights, "optimizer": checkpoint.optimizer}, buffer)
    write_whole(path, buffer.getvalue())


def load(path: Path) -> Checkpoint:
    """Read a checkpoint of ours; a file that is missing, truncated, holds code or is something else is a UserError."""
    check_there(path)
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if content.get("format") != FORMAT:
        raise UserError(f"{path} is not a checkpoint of gald train: it doesn't carry the settings of a run")
    try:
        return _checkpoint(content, path)
    except UserError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{path} is a damaged checkpoint ({what}); take another, or train again") from None


def check_there(path: Path) -> None:
    """Raise `UserError` where there is no file to `load`; nothing is read."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the best.safetensors or last.pt in it")
    check_file(path, "checkpoint")


def _checkpoint(content: Mapping[str, Any], path: Path) -> Checkpoint:
    labels = [Label(label["name"], tuple(label["color"]), label["id"]) for label in json.loads(content["labels"])]
    return Checkpoint(
        config=from_json(content["config"], f"the settings in {path}"),
        labels=tuple(labels),
        step=int(content["step"]),
        best=float(content["best"]),
        weights=content["weights"],
        optimizer=content.get("optimizer"),
    )


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata() or {})
            names = list(file.keys())  # no dict: it can't be walked itself
            return {**about, "weights": {name: file.get_tensor(name) for name in names}}
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is truncated or not a safetensors file: {error}") from None


def _read_torch(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds something other than weights and settings; it was not executed, and isn't loaded"
        ) from None
    except Exception as error:  # damaged bytes reach every corner of the unpickler
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path} is truncated or not a checkpoint (torch says: {reason}); give a run's best.safetensors or last.pt"
        ) from None
    return content if isinstance(content, dict) else {}


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Load strictly; what is missing, too much or of another shape is named, the first few of each."""
    own = model.state_dict()
    missing, unknown = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    shapes = [
        f"{k} {tuple(weights[k].shape)} for {tuple(own[k].shape)}"
        for k in own
        if k in weights and weights[k].shape != own[k].shape
    ]
    complaints = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for what, names in (("missing", missing), ("unknown", unknown), ("of another shape", shapes))
        if names
    ]
    if complaints:
        raise UserError(f"{source} is of another network: of {len(own)} weights, {'; '.join(complaints)}")
    model.load_state_dict(weights)


def check_classes(content: Checkpoint, labels: Sequence[Label], path: Path) -> None:
    """Refuse to use a network on a data set with other classes."""
    advice = "use the data set it was trained on, or bring the classes in line"
    check_same_classes(content.labels, labels, str(path), "the data set", advice)
