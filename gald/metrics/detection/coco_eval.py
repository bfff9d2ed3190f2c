"""The evaluator behind COCO's numbers, and how its answers are read."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from gald.support.errors import UserError

SIZES = ("all", "small", "medium", "large")  # in the order of the evaluator
COUNTS = (1, 10, 100)  # detections of a class in a picture that recall may use


def evaluator() -> Any:
    """Return the module faster_coco_eval.

    Raises:
        UserError: it is not installed.
    """
    try:
        return import_module("faster_coco_eval")
    except ImportError:
        raise UserError(
            "COCO's numbers need faster-coco-eval, which is not installed; run pip install 'gald[detection]'"
        ) from None


def encode(masks: Bool[Tensor, "n h w"]) -> list[bytes]:
    """Return the compressed run lengths of each mask: some hundred bytes in place of a picture."""
    pixels = masks.cpu().numpy().astype(np.uint8)
    encoder = evaluator().mask.encode
    return [encoder(np.asfortranarray(each))["counts"] for each in pixels]


def quiet(*text: object) -> None:
    """Print nothing: the evaluator tells each of its steps to a function."""


def mean(values: np.ndarray) -> float:
    """Return the mean of what was measured; -1 is the evaluator's mark of nothing to measure, NaN is ours."""
    measured = values[values > -1]
    return float(measured.mean()) if measured.size else float("nan")


def report(precision: np.ndarray, recall: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Return the twelve numbers over all classes, then for each.

    Args:
        precision: (overlap, recall, class, size, count).
        recall: (overlap, class, size, count).
        names: of the classes.
    """
    shares = {"ap": precision[..., 0, -1], "ap50": precision[:1, ..., 0, -1], "ap75": precision[5:6, ..., 0, -1]}
    shares |= {f"ap_{size}": precision[..., 1 + place, -1] for place, size in enumerate(SIZES[1:])}
    shares |= {f"ar{count}": recall[..., 0, place] for place, count in enumerate(COUNTS)}
    shares |= {f"ar_{size}": recall[..., 1 + place, -1] for place, size in enumerate(SIZES[1:])}
    results = {key: mean(values) for key, values in shares.items()}
    for place, name in enumerate(names):
        results |= {f"{key}/{name}": mean(values[..., place]) for key, values in shares.items()}
    return results
