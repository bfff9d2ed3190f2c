"""Reading the released weights strictly: every key must be there, and nothing in the file is executed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gald.support.errors import UserError

Net = TypeVar("Net", bound=nn.Module)


def load(model: Net, path: str | Path) -> Net:
    """Fill ``model`` with a released state dict and return it.

    ``path``: ``.safetensors``, or anything else as PyTorch saved it (``.pth``; only tensors are read). Keys may begin
    with ``module.``, as saved from a distributed run. Raises `UserError` if the file is missing, damaged or
    holds other things than tensors, or if its keys or shapes are not exactly the model's; the model is untouched then.
    """
    path = Path(path)
    state = _without_module_prefix(_read(path))
    expected = model.state_dict()
    _check_keys(path, expected, state)
    _check_shapes(path, expected, state)
    model.load_state_dict(expected | state)
    return model


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(f"no weights at {path}: there is no such file")
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _torch_load(path)
    except Exception as error:  # a damaged pickle fails in any way it likes
        raise UserError(
            f"{path} can't be read as weights: it is cut short, damaged, or holds Python objects, which are never "
            "loaded because they can run code; download it again, or save its state_dict() alone"
        ) from error
    if not isinstance(content, Mapping) or not all(map(_is_entry, content.items())):
        raise UserError(f"{path} holds no state dict (names to tensors); save model.state_dict() alone")
    return dict(content)


def _is_entry(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def _torch_load(path: Path) -> object:
    return torch.load(path, map_location="cpu", weights_only=True)


def _without_module_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix("module."): value for key, value in state.items()}


def _check_keys(path: Path, expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    # no computation here reads the counters, and PyTorch before 0.4.1 did not save them
    missing = [key for key in expected if key not in state and not key.endswith(".num_batches_tracked")]
    unexpected = [key for key in state if key not in expected]
    if not missing and not unexpected:
        return
    found = _network_of(state)
    hint = f"; it looks like {found}" if found and found != _network_of(expected) else ""
    raise UserError(
        f"{path} doesn't fit this network: {_few('missing', missing)}, {_few('unexpected', unexpected)}{hint}"
    )


def _check_shapes(path: Path, expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    wrong = [key for key, value in state.items() if value.shape != expected[key].shape]
    if wrong:
        given, here = tuple(state[wrong[0]].shape), tuple(expected[wrong[0]].shape)
        raise UserError(
            f"{path} doesn't fit this network: {_few('of another shape', wrong)}; the first is {given} in the file and "
            f"{here} here (is num_classes the same?)"
        )


def _few(kind: str, keys: list[str]) -> str:
    if not keys:
        return f"no key {kind}"
    shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
    return f"{len(keys)} key{'s' if len(keys) > 1 else ''} {kind} ({shown})"


def _network_of(keys: Iterable[str]) -> str | None:
    """Which of the four released networks has such keys: the context block tells the head, layer3 the depth."""
    keys = set(keys)
    depth = "r101" if "layer3.22.conv1.weight" in keys else "r50"
    for part, name in (("head.a2block.", "gald"), ("head.dualgcn.", "dualseg")):
        if any(key.startswith(part) for key in keys):
            return f"{name}_{depth}"
    return None
