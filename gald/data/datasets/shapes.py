"""Drawn shapes with boxes and masks: no download, no files, a detector to train in a minute.

Five shapes of any colour, turned, from five pixels across to half the picture, on a ground of soft light and grain.
What lies behind another shape has only its visible part in mask and box; what is nearly covered is not an object. Some
pictures are empty. Every picture is a function of (seed, split, index), so the set is the same everywhere.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gald.data.annotation import ImageAnnotation, ObjectAnnotation
from gald.data.detection import DetectionDataset
from gald.data.files import SampleFiles
from gald.data.labels import label_table
from gald.support.errors import UserError, lookup

SPLITS = {"train": 256, "val": 64, "test": 64}  # pictures in each
MOST = 7  # objects of a picture
SMALLEST = 2.5  # pixels from the middle to the rim
VISIBLE = 0.3  # share of a shape that must be seen

Grid = NDArray[np.float64]
# inside or not, from coordinates in a shape's own frame, where its rim is about 1 from its middle
FORMS: dict[str, Callable[[Grid, Grid], NDArray[np.bool_]]] = {
    "disc": lambda x, y: x**2 + y**2 < 1,
    "ring": lambda x, y: (x**2 + y**2 < 1) & (x**2 + y**2 > 0.3),
    "square": lambda x, y: np.maximum(abs(x), abs(y)) < 0.8,
    "triangle": lambda x, y: (y > -0.5) & (y + math.sqrt(3) * abs(x) < 1),
    "bar": lambda x, y: (abs(x) < 1) & (abs(y) < 0.3),
}
LABELS = label_table(
    "disc 230 60 50, ring 60 160 230, square 250 200 40, triangle 70 190 90, bar 190 90 220", first_id=1
)


class Drawn(NamedTuple):
    """A picture uint8 (H, W, 3), and for each object its train id and mask bool (H, W)."""

    image: NDArray[np.uint8]
    objects: list[tuple[int, NDArray[np.bool_]]]


def shapes(
    root: Path | None = None,
    split: str = "train",
    *,
    size: tuple[int, int] = (128, 160),
    length: int | None = None,
    seed: int = 0,
) -> DetectionDataset:
    """Pictures of ``size`` (height, width, at least 16); ``root`` is not used."""
    pictures = lookup(SPLITS, split, "split") if length is None else length
    if min(size) < 16:
        raise UserError(f"a picture of shapes needs at least 16x16 pixels, not {size[1]}x{size[0]}")
    return Shapes(split, size, pictures, seed)


class Shapes(DetectionDataset):
    """The pictures of `shapes`; there are no files, their paths only name them."""

    def __init__(self, split: str, size: tuple[int, int], length: int, seed: int) -> None:
        names = [f"{split}_{index:05d}" for index in range(length)]
        files = [SampleFiles(name, Path(name), Path(name), index) for index, name in enumerate(names)]
        part = list(SPLITS).index(split) if split in SPLITS else len(SPLITS)
        self.draw = partial(_draw, size, (seed, part))
        train_ids: dict[str | int, int] = {label.name: i for i, label in enumerate(LABELS)}
        super().__init__(files, LABELS, partial(_annotation, self.draw), train_ids, has_masks=True)

    def _open(self, index: int) -> Tensor:
        return torch.from_numpy(self.draw(index).image).permute(2, 0, 1).contiguous()


def splits(root: Path) -> list[str]:
    """Every split, always: nothing lies on disk."""
    return list(SPLITS)


def _annotation(draw: Callable[[int], Drawn], files: SampleFiles) -> ImageAnnotation:
    image, drawn = draw(files.id)
    objects = [
        ObjectAnnotation(LABELS[kind].name, _box(mask), mask=partial(torch.from_numpy, mask)) for kind, mask in drawn
    ]
    height, width = image.shape[:2]
    return ImageAnnotation(height, width, objects, f"drawn picture {files.id}")


def _box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _draw(size: tuple[int, int], seed: tuple[int, int], index: int) -> Drawn:
    rng = np.random.default_rng([*seed, index])
    y, x = np.mgrid[: size[0], : size[1]] + 0.5  # pixel centres
    image = _ground(rng, x / size[1], y / size[0])
    objects: list[tuple[int, NDArray[np.bool_], int]] = []
    for _ in range(int(rng.integers(MOST + 1))):
        kind, mask = _shape(rng, x, y, min(size))
        image[mask] = _color(rng) + rng.normal(0, 6, (int(mask.sum()), 3))
        objects = [(k, m & ~mask, whole) for k, m, whole in objects] + [(kind, mask, int(mask.sum()))]
    seen = [(kind, mask) for kind, mask, whole in objects if mask.sum() > VISIBLE * whole]
    return Drawn(image.round().clip(0, 255).astype(np.uint8), seen)


def _ground(rng: np.random.Generator, x: Grid, y: Grid) -> Grid:
    """Grey of some tint, lighter towards one side, with waves and grain."""
    slope = rng.uniform(-30, 30, 2)
    wave = 10 * np.sin(2 * math.pi * (rng.uniform(1, 4) * x + rng.uniform(1, 4) * y + rng.uniform()))
    light = 115 + slope[0] * x + slope[1] * y + wave
    ground: Grid = light[..., None] + rng.uniform(-15, 15, 3) + rng.normal(0, 8, (*x.shape, 3))
    return ground


def _shape(rng: np.random.Generator, x: Grid, y: Grid, side: int) -> tuple[int, NDArray[np.bool_]]:
    """A class and where it lies; sizes are even in the logarithm, so small ones are as common as large ones."""
    kind, angle = int(rng.integers(len(FORMS))), rng.uniform(0, 2 * math.pi)
    radius = math.exp(rng.uniform(math.log(SMALLEST), math.log(side / 4)))
    across, down = (rng.uniform(radius, grid.max() + 0.5 - radius) for grid in (x, y))
    right, up = (x - across) / radius, (y - down) / radius
    turned = right * math.cos(angle) + up * math.sin(angle), up * math.cos(angle) - right * math.sin(angle)
    return kind, list(FORMS.values())[kind](*turned)


def _color(rng: np.random.Generator) -> Grid:
    """Any colour that stands out from the middle grey of the ground."""
    while True:
        color = rng.uniform(0, 255, 3)
        if np.abs(color - 115).max() > 80:
            return color
