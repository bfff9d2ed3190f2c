"""One run of a network to see what a submodule gives, or a sentence on why that is not one map."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gald.support.errors import UserError


def default_example(model: nn.Module) -> Tensor:
    """A black picture, neither square nor large, that stride 32 divides."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.new_zeros(1, module.in_channels, 128, 160)
    raise UserError(f"this {type(model).__name__} has no convolution to tell what it takes; pass example=")


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards each module has the mode that it had.

    By flags, not by ``network.eval()``, which some networks take as a sign to merge weights.
    """
    modes = [(module, module.training) for module in network.modules()]
    try:
        for module, _ in modes:
            module.training = False
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def outputs_of(watched: nn.Module, model: nn.Module, example: object) -> list[object]:
    """What the submodule ``watched`` gives, call by call, while ``model`` runs once on ``example``, in evaluation.

    ``example`` is a tuple of arguments, a mapping of keyword arguments, or anything else as the one argument. Modes and
    the random state are as before. Raises `UserError` with the model's own words where it fails.
    """
    outputs: list[object] = []
    devices = {parameter.device.index for parameter in model.parameters() if parameter.is_cuda}
    handle = watched.register_forward_hook(lambda _module, _inputs, output: outputs.append(output), prepend=True)
    try:
        with evaluating(model), torch.random.fork_rng(devices=devices):
            _call(model, example)
    except Exception as error:
        what = f"a tensor of shape {tuple(example.shape)}" if isinstance(example, Tensor) else "the example"
        raise UserError(
            f"this {type(model).__name__} fails on {what} ({first_line(error)}); pass example=, what it takes: a "
            "tensor, a tuple of arguments or a dictionary of keyword arguments, on its device"
        ) from error
    finally:
        handle.remove()
    return outputs


def _call(model: nn.Module, example: Any) -> None:
    if isinstance(example, Mapping):
        model(**example)
    elif isinstance(example, tuple):
        model(*example)
    else:
        model(example)


def first_line(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": .")


def one_map(outputs: list[object], at: str, example: object) -> Tensor:
    """The one map among what the submodule gave, or a sentence on what it is."""
    if not outputs:
        raise UserError(f"{at!r} is never called in the run; name one that is, or one that it holds if it is a list")
    if len(outputs) > 1:
        raise UserError(f"{at!r} is called {len(outputs)} times in one pass; name a submodule that is called once")
    what = _not_a_map(outputs[0], example)
    if what:
        raise UserError(f"{at!r} gives {what}; name a submodule that gives one map (B, C, H, W)")
    assert isinstance(outputs[0], Tensor)
    return outputs[0]


def _not_a_map(output: object, example: object) -> str | None:
    """What an output is, in words; None if it is a map."""
    if isinstance(output, Mapping):
        return f"a dict with the keys {', '.join(repr(key) for key in output)}"
    if isinstance(output, (list, tuple)):
        items = "tensors" if all(isinstance(item, Tensor) for item in output) else "values"
        return f"a {'list' if isinstance(output, list) else 'tuple'} of {len(output)} {items}"
    if not isinstance(output, Tensor):
        return f"a {type(output).__name__}"
    said = f"a tensor of shape {tuple(output.shape)}"
    if output.ndim != 4:
        return f"{said}: tokens, not a map" if output.ndim == 3 else f"{said}, not a map"
    if not output.is_floating_point():
        return f"{said} of {output.dtype}, not of real numbers"
    return f"{said}: a map with its channels last (B, H, W, C)" if _channels_last(output, example) else None


def _channels_last(output: Tensor, example: object) -> bool:
    """Whether dimensions 1 and 2 have the picture's proportions, to within a cell, and better than 2 and 3."""
    size = _picture_size(example)
    if size is None:
        return False
    height, width = size
    first, second = (abs(output.shape[i] * width - output.shape[i + 1] * height) for i in (1, 2))
    return first <= max(size) and first < second


def _picture_size(example: object) -> tuple[int, int] | None:
    """H, W of the first picture or batch of them in the example."""
    if isinstance(example, Tensor):
        return (example.shape[-2], example.shape[-1]) if example.ndim in (3, 4) else None
    if isinstance(example, Mapping):
        example = list(example.values())
    if isinstance(example, (list, tuple)):
        return next((size for item in example if (size := _picture_size(item))), None)
    return None
