"""Augmentation for boxes and masks: resize of the short side, flip, colour jitter; nothing cut, so no object is halved.

Randomness comes from torch's global generator alone, which `gald.data.sampling.Stream` sets for every sample. The
batch is padded and normalised by the model, so pictures leave here as uint8 and of different sizes.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from gald.data.detection import DetectionSample
from gald.images.size import short_side_size

Transform = Callable[[DetectionSample], DetectionSample]
PER_OBJECT = ("boxes", "classes", "ignored", "areas", "masks")  # what has an entry for each object


class ShortSide:
    """Resize so that the short side has one of ``sides`` pixels, drawn evenly, but the long one at most ``longest``.

    Both sides are scaled alike but for rounding to whole pixels. Pictures: bilinear with antialias; masks: nearest
    pixel centre; boxes by the exact ratio of the sides, areas by the product of the two ratios.
    """

    def __init__(self, sides: Sequence[int], longest: int | None) -> None:
        assert sides, "there is at least one side to choose"
        assert min(sides) > 0, "sides are positive"
        assert longest is None or longest > 0, "the longest side is positive"
        self.sides, self.longest = sides, longest

    def __call__(self, sample: DetectionSample) -> DetectionSample:
        """Resize everything that has a place in the picture."""
        height, width = sample["image"].shape[-2:]
        side = self.sides[int(torch.randint(len(self.sides), ()))] if len(self.sides) > 1 else self.sides[0]
        size = short_side_size(height, width, side, self.longest)
        down, across = size[0] / height, size[1] / width
        moved = cast(DetectionSample, dict(sample))
        moved["image"] = F.resize(sample["image"], list(size), v2.InterpolationMode.BILINEAR, antialias=True)
        moved["boxes"] = sample["boxes"] * torch.tensor([across, down, across, down])
        moved["areas"] = sample["areas"] * (down * across)
        if "masks" in sample:
            moved["masks"] = _resized(sample["masks"], size)
        return moved


def _resized(masks: Tensor, size: tuple[int, int]) -> Tensor:
    if not len(masks):
        return masks.new_zeros(0, *size)
    # plain tensors: torchvision resizes a tv_tensors.Mask with "nearest", half a pixel off (see ScaleCrop)
    resized: Tensor = F.resize(masks.to(torch.uint8), list(size), v2.InterpolationMode.NEAREST_EXACT)
    return resized.bool()


def wrap(sample: DetectionSample) -> DetectionSample:
    """Tell torchvision's steps which tensors are a picture, boxes and masks."""
    canvas = sample["image"].shape[-2:]
    wrapped = cast(DetectionSample, dict(sample))
    wrapped["image"] = tv_tensors.Image(sample["image"])
    wrapped["boxes"] = tv_tensors.BoundingBoxes(sample["boxes"], format="XYXY", canvas_size=canvas)
    if "masks" in sample:
        wrapped["masks"] = tv_tensors.Mask(sample["masks"])
    return wrapped


def drop_tiny(sample: DetectionSample) -> DetectionSample:
    """Drop the objects that became smaller than a pixel either way: nothing of them is left to see."""
    sides = sample["boxes"][:, 2:] - sample["boxes"][:, :2]
    kept = (sides >= 1).all(1)
    return cast(DetectionSample, {key: value[kept] if key in PER_OBJECT else value for key, value in sample.items()})  # type: ignore[index]


def train(
    short: Sequence[int] = range(480, 801, 32), longest: int | None = 1333, flip: float = 0.5, jitter: float = 0.0
) -> Transform:
    """Resize to a random short side, mirror with probability ``flip``, jitter colours by that strength.

    ``short`` are the sides to choose from, one or many (``(800,)``, ``range(480, 801, 32)``); the default and
    ``longest`` are the usual ones of multi-scale training on COCO.
    """
    jitters = [v2.ColorJitter(brightness=jitter, contrast=jitter, saturation=jitter)] if jitter > 0 else []
    mirror = v2.RandomHorizontalFlip(flip)
    steps: Transform = v2.Compose([ShortSide(short, longest), drop_tiny, wrap, mirror, *jitters, v2.ToPureTensor()])
    return steps
