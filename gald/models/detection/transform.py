"""Pictures and objects on their way into a detector: refused where they are wrong, normalised, resized, batched."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from gald.images.size import short_side_size
from gald.models.backbone import mean_and_std
from gald.models.detection.pyramid import Pyramid
from gald.support.errors import UserError


class DetectorTransform(GeneralizedRCNNTransform):  # type: ignore[misc]
    """torchvision's normalisation and resize, also of uint8; in training only with ``resize``.

    Without it training pictures go in as they are, for data that were resized when they were augmented, and others are
    resized as those were: antialiased, which torchvision's own are not.

    ``binary_masks`` makes the masks that come out bool (N, 1, H, W), at least 0.5 sure, instead of float as
    torchvision's, which it makes twice: an eighth of the bytes. By count, a hundred float masks of 24 megapixels and
    their copy are 19 GB.
    """

    binary_masks = False

    def __init__(self, short: tuple[int, ...], longest: int, pyramid: Pyramid, resize: bool) -> None:
        mean, std = mean_and_std(pyramid.body, 3)
        super().__init__(short, longest, mean, std, size_divisible=pyramid.strides[-1])
        self.resize_training = resize

    def normalize(self, image: Tensor) -> Tensor:
        scaled: Tensor = super().normalize(image / 255 if image.dtype == torch.uint8 else image)
        return scaled

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        if self.training and not self.resize_training:
            return image, target
        if not self.resize_training:
            return self._as_augmented(image), target
        height, width = image.shape[-2:]
        if min(height, width) * min(max(self.min_size) / min(height, width), self.max_size / max(height, width)) < 1:
            raise UserError(
                f"nothing is left of a picture of {height}x{width} pixels once its longer side is {self.max_size}; "
                "leave it out, or raise longest"
            )
        resized: tuple[Tensor, dict[str, Tensor] | None] = super().resize(image, target)
        return resized

    def postprocess(
        self, result: list[dict[str, Tensor]], image_shapes: list[tuple[int, int]], original: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        pasted = self.binary_masks and not self.training and all("masks" in found for found in result)
        pieces = [found.pop("masks") for found in result] if pasted else []
        whole: list[dict[str, Tensor]] = super().postprocess(result, image_shapes, original)
        if pasted:
            for found, masks, size in zip(whole, pieces, original, strict=True):
                found["masks"] = _pasted(masks, found["boxes"], size)
        return whole

    def _as_augmented(self, image: Tensor) -> Tensor:
        side = self.min_size[-1]
        size = short_side_size(image.shape[-2], image.shape[-1], side, self.max_size)
        return F.interpolate(image[None], size, mode="bilinear", align_corners=False, antialias=True)[0]


def _pasted(masks: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (N, 1, h, w) of boxes as bool masks (N, 1, H, W) of the picture, pasted one at a time."""
    whole = torch.empty((len(masks), 1, *size), dtype=torch.bool, device=masks.device)
    for index in range(len(masks)):
        whole[index] = paste_masks_in_image(masks[index, None], boxes[index, None], size)[0] >= 0.5
    return whole


def check_images(images: object) -> None:
    """Refuse what is not a list of (3, H, W) pictures, uint8 or float."""
    if isinstance(images, Tensor):  # a batch is a list of pictures to torchvision, too
        images = list(images) if images.ndim == 4 else images
    if not isinstance(images, Sequence) or not images:
        raise UserError(f"a detector takes a list of pictures (3, H, W), got {_said(images)}")
    for index, image in enumerate(images):
        right = isinstance(image, Tensor) and image.ndim == 3 and image.shape[0] == 3 and image.numel() > 0
        if not right or not (image.is_floating_point() or image.dtype == torch.uint8):
            raise UserError(
                f"picture {index} is {_said(image)}; a detector takes (3, H, W) tensors, uint8 or float in [0, 1]"
            )


def check_targets(images: Sequence[Tensor] | Tensor, targets: Any, num_classes: int, masks: bool) -> None:
    """Refuse objects that torchvision would stop at with an assertion, or train on in silence.

    Raises:
        UserError: no targets or another number of them than pictures, a missing key, boxes that are not finite (N, 4)
            with x1 < x2 and y1 < y2 that touch their picture, labels that are not int64 from 1 to ``num_classes``,
            masks of another size.
    """
    if not isinstance(targets, Sequence) or len(targets) != len(images):
        found = f"{len(targets)}" if isinstance(targets, Sequence) else "none"
        raise UserError(f"training takes one target for each of the {len(images)} pictures, got {found}")
    for index, (image, target) in enumerate(zip(images, targets, strict=True)):
        wrong = _wrong(image, target, num_classes, masks)
        if wrong:
            raise UserError(f"target {index}: {wrong}")


def _wrong(image: Tensor, target: Any, num_classes: int, masks: bool) -> str | None:
    """What is wrong with a picture's objects, if anything."""
    needed = ("boxes", "labels", "masks") if masks else ("boxes", "labels")
    missing = [key for key in needed if not isinstance(target, Mapping) or not isinstance(target.get(key), Tensor)]
    if missing:
        return f"no tensor {missing[0]!r} in it; it is a dictionary of {', '.join(needed)}"
    boxes, labels = target["boxes"], target["labels"]
    count = len(labels)
    if boxes.shape != (count, 4) or boxes.dtype not in (torch.float32, torch.float64, torch.float16):
        return f"boxes are float ({count}, 4) for {count} labels, got {_said(boxes)}"
    if labels.ndim != 1 or labels.dtype != torch.int64:
        return f"labels are int64 (N,), got {_said(labels)}"
    if masks and target["masks"].shape != (count, *image.shape[-2:]):
        return f"masks are ({count}, {image.shape[-2]}, {image.shape[-1]}) as the picture, got {_said(target['masks'])}"
    return _wrong_values(boxes, labels, num_classes, *image.shape[-2:])


def _wrong_values(boxes: Tensor, labels: Tensor, num_classes: int, height: int, width: int) -> str | None:
    bad = ~(boxes.isfinite().all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1))
    away = ((boxes[:, :2] >= boxes.new_tensor((width, height))) | (boxes[:, 2:] <= 0)).any(1)
    outside = (labels < 1) | (labels > num_classes)
    if not (bad | away | outside).any():  # one look at the device for all
        return None
    if bad.any():
        index = int(bad.nonzero()[0])
        return f"box {index} is {boxes[index].tolist()}; a box is x1 < x2, y1 < y2; leave empty ones out"
    if away.any():
        index = int(away.nonzero()[0])
        return f"box {index} is {boxes[index].tolist()}, beside its picture of {width}x{height} pixels"
    index = int(outside.nonzero()[0])
    return f"label {index} is {int(labels[index])}; labels are 1 to {num_classes} (0 is the background)"


def _said(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return "an empty list" if value == [] else f"a {type(value).__name__}"
