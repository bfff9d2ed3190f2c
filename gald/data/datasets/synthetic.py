"""Street-like pictures drawn from a seed: no download, no files, and yet what global and local context are for.

- Big regions that look alike: both sides of the ground (road, water) share one texture and one colour, and so do both
  rows of facades (building, wall). Which is which hangs on far cues only: the tint of the sky for the ground, the side
  of the sun for the facades. A network that sees only a patch can do no better than guess.
- Small and thin things beside them: poles of a pixel or two, signs, people, cars.

Every picture is a function of (seed, split, index), so the set is the same everywhere and never stored.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision import tv_tensors

from gald.data.datasets.synthetic_street import BASE, Scene
from gald.data.files import SampleFiles
from gald.data.labels import Label
from gald.data.segmentation import SegmentationDataset, SegmentationSample
from gald.images.io import distinct_color
from gald.support.errors import UserError, lookup

SPLITS = {"train": 256, "val": 64, "test": 64}  # pictures in each


def synthetic(
    root: Path | None = None,
    split: str = "train",
    *,
    size: tuple[int, int] = (128, 256),
    classes: int = 8,
    length: int | None = None,
    seed: int = 0,
) -> SegmentationDataset:
    """Pictures of ``size`` (height, width, at least 8) with ``classes`` (2 to 253) classes; ``root`` is not used.

    Beyond the 11 named classes there are more kinds of signs, told apart by colour and shape.
    """
    pictures = lookup(SPLITS, split, "split") if length is None else length
    if min(size) < 8:
        raise UserError(f"a synthetic picture needs at least 8x8 pixels, not {size[1]}x{size[0]}")
    if not 2 <= classes <= 253:
        raise UserError(f"the synthetic data set has 2 to 253 classes, not {classes}")
    return Synthetic(split, size, classes, pictures, seed)


class Synthetic(SegmentationDataset):
    """The pictures of `synthetic`; there are no files, their paths only name them."""

    def __init__(self, split: str, size: tuple[int, int], classes: int, length: int, seed: int) -> None:
        names = [f"{split}_{index:05d}" for index in range(length)]
        super().__init__([SampleFiles(name, Path(name), Path(name)) for name in names], _labels(classes))
        self.size, self.seed, self.split = size, seed, split

    def __getitem__(self, index: int) -> SegmentationSample:
        image, mask = self._draw(index)
        return {"image": tv_tensors.Image(image), "mask": tv_tensors.Mask(mask), "name": self.name(index)}

    def image(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """The picture alone."""
        return self._draw(index)[0]

    def values(self, index: int) -> UInt8[Tensor, "h w"]:
        """Train ids: this set has no other values."""
        return self._draw(index)[1]

    def _draw(self, index: int) -> tuple[Tensor, Tensor]:
        if not 0 <= index < len(self):  # a loop over the set ends here: there is no file whose absence would say so
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, list(SPLITS).index(self.split), index])
        image, mask = Scene(rng, self.size, self.labels).draw()
        return torch.from_numpy(image).permute(2, 0, 1).contiguous(), torch.from_numpy(mask)


def _labels(classes: int) -> tuple[Label, ...]:
    more = {f"sign {i}": distinct_color(i) for i in range(2, classes - len(BASE) + 2)}
    return tuple(Label(name, color, i) for i, (name, color) in enumerate([*(BASE | more).items()][:classes]))


def splits(root: Path) -> list[str]:
    """Every split, always: nothing lies on disk."""
    return list(SPLITS)
