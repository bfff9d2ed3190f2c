"""Pictures with objects in boxes: the one detection data set, whatever the format of the annotations.

A reader says what the file says of a picture (`gald.data.annotation`); turning that into tensors is here.

Edges are continuous: x runs from 0 at the left edge of the first pixel column to the width at the right edge of the
last, so a box over the first column alone is 0 to 1, and areas are products without a "+ 1".
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import NotRequired, TypedDict

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from gald.data.annotation import CheckedAnnotation, ImageAnnotation, check_annotation
from gald.data.files import SampleFiles
from gald.data.labels import Label
from gald.images.io import open_picture, read_image, swaps_sides
from gald.support.errors import UserError


class DetectionTarget(TypedDict):
    """What is known of a picture with N objects.

    ``boxes`` float32 (N, 4), x1 y1 x2 y2 in pixels; ``classes`` int64 (N,), train ids from 0, without a background;
    ``ignored`` bool (N,), VOC's "difficult" and COCO's "iscrowd", neither trained on nor missed; ``areas`` float32
    (N,), square pixels as annotated (COCO: of the mask); ``masks`` bool (N, H, W), only where the set has masks;
    ``image_id`` the data set's own number of the picture.
    """

    boxes: Tensor
    classes: Tensor
    ignored: Tensor
    areas: Tensor
    masks: NotRequired[Tensor]
    name: str
    image_id: int


class DetectionSample(DetectionTarget):
    """A `DetectionTarget` with its picture: ``image`` uint8 (3, H, W) RGB."""

    image: Tensor


class DetectionDataset(Dataset[DetectionSample]):
    """Pictures with boxes, and masks if ``has_masks``.

    ``labels[i]`` is the class with train id i; ``train_ids`` maps what the files call a class (a name, or a number) to
    it. ``read`` gives the `ImageAnnotation` of a sample. A box without width or height is dropped, because published
    sets hold some; everything else that is wrong raises `UserError`. ``doubts`` are sentences about classes that may be
    misspelt, where nobody listed the classes: they are then the names that the annotations use, right or wrong.
    """

    labelled = True  # every annotation file says what is there, be it nothing

    def __init__(
        self,
        files: Sequence[SampleFiles],
        labels: Sequence[Label],
        read: Callable[[SampleFiles], ImageAnnotation],
        train_ids: Mapping[str | int, int],
        has_masks: bool = False,
        doubts: Sequence[str] = (),
    ) -> None:
        self.files, self.labels, self.doubts = tuple(files), tuple(labels), tuple(doubts)
        self.read, self.train_ids, self.has_masks = read, dict(train_ids), has_masks

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """Name of a picture, without reading it."""
        return self.files[index].name

    def without_masks(self) -> "DetectionDataset":
        """The same set without its masks, which then are never decoded."""
        bare = copy(self)
        bare.has_masks = False
        return bare

    def __getitem__(self, index: int) -> DetectionSample:
        checked = self.check(index)
        return {"image": self._image_for(index, checked.annotation), **self._target_of(index, checked)}

    def image(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """The picture alone, of the size that its annotation says."""
        return self._image_for(index, self.annotation(index))

    def target(self, index: int) -> DetectionTarget:
        """The objects alone, checked, without reading the picture."""
        return self._target_of(index, self.check(index))

    def annotation(self, index: int) -> ImageAnnotation:
        """What the files say of a picture, unchecked."""
        return self.read(self.files[index])

    def check(self, index: int) -> CheckedAnnotation:
        """Look at every object of a picture; raises only where the annotation cannot be read at all."""
        return check_annotation(self.annotation(index), self.train_ids, self.has_masks)

    def _target_of(self, index: int, checked: CheckedAnnotation) -> DetectionTarget:
        objects, faults = checked.objects, checked.faults
        if faults:
            more = f" (and {len(faults) - 1} more in it)" if len(faults) > 1 else ""
            raise UserError(faults[0] + more)
        target: DetectionTarget = {
            "boxes": torch.tensor([found.box for found in objects], dtype=torch.float32).reshape(-1, 4),
            "classes": torch.tensor([found.label for found in objects], dtype=torch.int64),
            "ignored": torch.tensor([found.ignored for found in objects], dtype=torch.bool),
            "areas": torch.tensor([found.area for found in objects], dtype=torch.float32),
            "name": self.name(index),
            "image_id": self.files[index].id,
        }
        if self.has_masks:
            size = checked.annotation.height, checked.annotation.width
            masks = [found.mask for found in objects if found.mask is not None]
            target["masks"] = torch.stack(masks) if masks else torch.zeros(0, *size, dtype=torch.bool)
        return target

    def _image_for(self, index: int, annotation: ImageAnnotation) -> Tensor:
        """The picture, turned by its EXIF tag or not: whichever way it has the annotated size."""
        path, size = self.files[index].image, (annotation.height, annotation.width)
        image = self._open(index)
        if image.shape[-2:] == size[::-1] != size and swaps_sides(path):
            # tools differ in this; the boxes were drawn on the picture as it is stored
            image = torch.from_numpy(np.array(open_picture(path).convert("RGB"))).permute(2, 0, 1).contiguous()
        height, width = image.shape[-2:]
        if (height, width) != size:
            raise UserError(
                f"{annotation.source} is for {size[1]}x{size[0]} pixels, {path} is {width}x{height}: correct it"
            )
        return image

    def _open(self, index: int) -> Tensor:
        return read_image(self.files[index].image)
