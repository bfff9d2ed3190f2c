"""Tiny pictures and label maps, saved as a user's files would be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (12, 20)  # height, width


def picture(path: Path, size: tuple[int, int] = SIZE, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


def ids(values: tuple[int, ...], size: tuple[int, int] = SIZE) -> np.ndarray:
    """Vertical bands, one for each value."""
    band = np.arange(size[1]) * len(values) // size[1]
    return np.broadcast_to(np.array(values, np.uint8)[band], size).copy()


def label(path: Path, values: tuple[int, ...], size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids(values, size)).save(path)
    return path


def colors(path: Path, values: tuple[tuple[int, int, int], ...], size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = np.array(values, np.uint8)
    Image.fromarray(table[ids(tuple(range(len(values))), size)]).save(path)
    return path
