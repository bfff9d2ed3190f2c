"""Predictions and true objects of a whole data set as arrays, one row each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64


class Found(NamedTuple):
    """All predictions, row by row."""

    boxes: Float64[np.ndarray, "n 4"]
    scores: Float64[np.ndarray, " n"]
    classes: Int64[np.ndarray, " n"]
    pictures: Int64[np.ndarray, " n"]


class Truths(NamedTuple):
    """All true objects, row by row."""

    boxes: Float64[np.ndarray, "m 4"]
    classes: Int64[np.ndarray, " m"]
    ignored: Bool[np.ndarray, " m"]
    areas: Float64[np.ndarray, " m"]
    pictures: Int64[np.ndarray, " m"]
