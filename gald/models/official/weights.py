"""Reading the released weights strictly: every key must be there, and nothing in the file is executed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from gald.models.state_dict import checked_state_dict, read_weights
from gald.support.errors import UserError

Net = TypeVar("Net", bound=nn.Module)


def load(model: Net, path: str | Path) -> Net:
    """Fill ``model`` with a released state dict and return it.

    ``path``: ``.safetensors``, or anything else as PyTorch saved it (``.pth``; only tensors are read). Keys may begin
    with ``module.``, as saved from a distributed run. Raises `UserError` if the file is missing, damaged or
    holds other things than tensors, or if its keys or shapes are not exactly the model's; the model is untouched then.
    """
    path = Path(path)
    state = {
        key.removeprefix("module."): value for key, value in checked_state_dict(read_weights(path), str(path)).items()
    }
    expected = model.state_dict()
    _check_keys(path, expected, state)
    _check_shapes(path, expected, state)
    model.load_state_dict(expected | state)
    return model


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


def _few(what: str, keys: list[str]) -> str:
    if not keys:
        return f"no key {what}"
    shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
    return f"{len(keys)} key{'s' if len(keys) > 1 else ''} {what} ({shown})"


def _network_of(keys: Iterable[str]) -> str | None:
    """Which of the four released networks has such keys: the context block tells the head, layer3 the depth."""
    keys = set(keys)
    depth = "r101" if "layer3.22.conv1.weight" in keys else "r50"
    for part, name in (("head.a2block.", "gald"), ("head.dualgcn.", "dualseg")):
        if any(key.startswith(part) for key in keys):
            return f"{name}_{depth}"
    return None
