"""Reading a file of weights, whoever wrote it: only tensors are read, and nothing in it is executed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from gald.support.errors import UserError


def read_weights(path: Path) -> Any:
    """Return what a ``.safetensors`` file holds, or any other as PyTorch saved it.

    Raises:
        UserError: no such file, a damaged one, or one that holds other things than tensors and plain values.
    """
    if not path.is_file():
        raise UserError(f"no weights at {path}: there is no such file")
    try:
        return load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # a damaged pickle fails in any way it likes
        raise UserError(
            f"{path} can't be read as weights: it is cut short, damaged, or holds Python objects, which are never "
            "loaded because they can run code; download it again, or save its state_dict() alone"
        ) from error


def checked_state_dict(content: object, source: str) -> dict[str, Tensor]:
    """Return ``content`` if it is tensors by name; ``source`` is what the `UserError` says of where it is from."""
    entries = content.items() if isinstance(content, Mapping) else ()
    if not entries or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in entries):
        raise UserError(f"{source} holds no state dict (names to tensors); save model.state_dict() alone")
    return dict(entries)
