"""Augmentation from torchvision.transforms.v2: scale, crop, flip, jitter for training; nothing for evaluation.

Randomness comes from torch's global generator alone, which `gald.data.sampling.Stream` sets for every sample.
Mean and standard deviation belong to the model, so pictures leave here as uint8.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from gald.data.labels import IGNORE
from gald.data.segmentation import SegmentationSample

MEAN = [124, 116, 104]  # ImageNet's mean colour (RGB, 0 to 255): padding is near zero once the model has normalised

Transform = Callable[[SegmentationSample], SegmentationSample]


class ScaleCrop:
    """Scale by a uniform random factor, then cut a random window of ``crop`` (height, width), padded if it is smaller.

    The window is cut from the source first (``crop / factor`` pixels at a whole-pixel corner) and then resized, which
    costs a third of resizing the whole picture at factor 2; the factor is met to within half a pixel of the window.
    Pictures: bilinear with antialias; masks: nearest pixel centre (plain "nearest" shifts by half a pixel).
    """

    def __init__(self, crop: tuple[int, int], scale: tuple[float, float]) -> None:
        assert min(crop) > 0, "a crop has at least one pixel"
        assert 0 < scale[0] <= scale[1], "scale is (lowest, highest)"
        self.crop, self.scale = crop, scale

    def __call__(self, sample: SegmentationSample) -> SegmentationSample:
        """Cut picture and mask alike."""
        low, high = self.scale
        factor = low + (high - low) * float(torch.rand(()))
        rows = self._side(sample["image"].shape[-2], self.crop[0], factor)
        columns = self._side(sample["image"].shape[-1], self.crop[1], factor)
        image = self._cut(sample["image"], rows, columns, v2.InterpolationMode.BILINEAR, MEAN)
        mask = self._cut(sample["mask"][None], rows, columns, v2.InterpolationMode.NEAREST_EXACT, [IGNORE])
        return {"image": tv_tensors.Image(image), "mask": tv_tensors.Mask(mask[0]), "name": sample["name"]}

    @staticmethod
    def _side(length: int, crop: int, factor: float) -> tuple[int, int, int]:
        """Along one side: first source pixel, number of source pixels, number of pixels they become."""
        window = max(1, round(crop / factor))
        if window > length:
            return 0, length, min(crop, max(1, round(length * factor)))
        return int(torch.randint(length - window + 1, ())), window, crop

    def _cut(
        self,
        x: Tensor,
        rows: tuple[int, int, int],
        columns: tuple[int, int, int],
        mode: v2.InterpolationMode,
        fill: list[int],
    ) -> Tensor:
        top, height, out_height = rows
        left, width, out_width = columns
        # A plain tensor, since torchvision resizes a tv_tensors.Mask with "nearest" whatever mode it is given
        # (torchvision 0.29, resize_mask), which shifts labels by up to half a pixel against the picture.
        x = x.as_subclass(Tensor)
        x = F.resized_crop(x, top, left, height, width, [out_height, out_width], mode, antialias=True)
        below, right = self.crop[0] - out_height, self.crop[1] - out_width
        padded: Tensor = F.pad(x, [0, 0, right, below], fill=fill) if below or right else x
        return padded


def train(
    crop: tuple[int, int], scale: tuple[float, float] = (0.5, 2.0), flip: float = 0.5, jitter: float = 0.0
) -> Transform:
    """Random scale, crop (height, width), horizontal flip with probability ``flip``, colour jitter of that strength.

    Out: image uint8 (3, *crop), mask int64 (*crop); pixels beyond the picture are the mean colour and 255.
    """
    jitters = [v2.ColorJitter(brightness=jitter, contrast=jitter, saturation=jitter)] if jitter > 0 else []
    steps: Transform = v2.Compose([ScaleCrop(crop, scale), v2.RandomHorizontalFlip(flip), *jitters, *_ready()])
    return steps


def evaluate() -> Transform:
    """The picture as it is: image uint8 (3, H, W), mask int64 (H, W)."""
    steps: Transform = v2.Compose(_ready())
    return steps


def _ready() -> list[Any]:
    """Losses want int64, and plain tensors collate and compile without tv_tensors' wrapping."""
    return [v2.ToDtype({tv_tensors.Mask: torch.int64, "others": None}), v2.ToPureTensor()]
