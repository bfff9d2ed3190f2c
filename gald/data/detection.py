"""Pictures with objects in boxes: the one detection data set, whatever the format of the annotations.

A reader says what the file says of a picture (`gald.data.annotation`); turning that into tensors is here.

Edges are continuous: x runs from 0 at the left edge of the first pixel column to the width at the right edge of the
last, so a box over the first column alone is 0 to 1, and areas are products without a "+ 1".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from gald.data.annotation import Checked, ImageAnnotation, check
from gald.data.segmentation import Label
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


@dataclass(frozen=True)
class Picture:
    """A picture of a split; ``name`` is unique in it and has no ending, ``id`` is the data set's own number."""

    name: str
    path: Path
    id: int


class DetectionDataset(Dataset[DetectionSample]):
    """Pictures with boxes, and masks if ``has_masks``.

    ``labels[i]`` is the class with train id i; ``train_ids`` maps what the files call a class (a name, or a number) to
    it. ``read`` gives the `ImageAnnotation` of an index. A box without width or height is dropped, because published
    sets hold some; everything else that is wrong raises `UserError`.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        labels: Sequence[Label],
        read: Callable[[int], ImageAnnotation],
        train_ids: Mapping[str | int, int],
        has_masks: bool = False,
    ) -> None:
        self.pictures, self.labels = tuple(pictures), tuple(labels)
        self.read, self.train_ids, self.has_masks = read, dict(train_ids), has_masks

    labelled = True  # every annotation file says what is there, be it nothing

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        """Name of a picture, without reading it."""
        return self.pictures[index].name

    def boxes_only(self) -> DetectionDataset:
        """The same set without its masks, which then are never decoded."""
        bare = copy(self)
        bare.has_masks = False
        return bare

    def __getitem__(self, index: int) -> DetectionSample:
        checked = self.check(index)
        return {"image": self._fitting(index, checked.page), **self._truth(index, checked)}

    def image(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """The picture alone, of the size that its annotation says."""
        return self._fitting(index, self.read(index))

    def objects(self, index: int) -> DetectionTarget:
        """The objects alone, checked, without reading the picture."""
        return self._truth(index, self.check(index))

    def size(self, index: int) -> tuple[int, int]:
        """Height and width as the annotation says."""
        page = self.read(index)
        return page.height, page.width

    def check(self, index: int) -> Checked:
        """Look at every object of a picture; raises only where the annotation cannot be read at all."""
        return check(self.read(index), self.train_ids, self.has_masks)

    def _truth(self, index: int, checked: Checked) -> DetectionTarget:
        page, rows, faults = checked.page, checked.rows, checked.faults
        if faults:
            more = f" (and {len(faults) - 1} more in it)" if len(faults) > 1 else ""
            raise UserError(faults[0] + more)
        truth: DetectionTarget = {
            "boxes": torch.tensor([row.box for row in rows], dtype=torch.float32).reshape(-1, 4),
            "classes": torch.tensor([row.kind for row in rows], dtype=torch.int64),
            "ignored": torch.tensor([row.ignored for row in rows], dtype=torch.bool),
            "areas": torch.tensor([row.area for row in rows], dtype=torch.float32),
            "name": self.name(index),
            "image_id": self.pictures[index].id,
        }
        if self.has_masks:
            masks = [row.mask for row in rows if row.mask is not None]
            truth["masks"] = torch.stack(masks) if masks else torch.zeros(0, page.height, page.width, dtype=torch.bool)
        return truth

    def _fitting(self, index: int, page: ImageAnnotation) -> Tensor:
        """The picture, turned by its EXIF tag or not: whichever way it has the annotated size."""
        path = self.pictures[index].path
        image = self._open(index)
        if image.shape[-2:] == (page.width, page.height) != (page.height, page.width) and swaps_sides(path):
            # tools differ in this; the boxes were drawn on the picture as it is stored
            image = torch.from_numpy(np.array(open_picture(path).convert("RGB"))).permute(2, 0, 1).contiguous()
        height, width = image.shape[-2:]
        if (height, width) != (page.height, page.width):
            raise UserError(
                f"{page.place} is for {page.width}x{page.height} pixels, {path} is {width}x{height}: correct it"
            )
        return image

    def _open(self, index: int) -> Tensor:
        return read_image(self.pictures[index].path)


class MissingError(UserError):
    """Files that a list names and that are not there. ``rest`` holds the others, ``lonely`` one sentence per file."""

    def __init__(self, sentence: str, rest: DetectionDataset, lonely: Sequence[str]) -> None:
        super().__init__(sentence)
        self.rest = rest
        self.lonely = tuple(lonely)


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a name that is longer than any file's is of none."""
    try:
        return path.is_file()
    except OSError:
        return False


def there(
    files: Mapping[Picture, Sequence[Path]], build: Callable[[list[Picture]], DetectionDataset], source: str, how: str
) -> DetectionDataset:
    """The pictures whose files all exist; `MissingError` where one does not.

    ``source`` is what names them, ``how`` says what to do about a missing one.
    """
    lost = {picture: [path for path in paths if not _is_file(path)] for picture, paths in files.items()}
    objects = build([picture for picture, missing in lost.items() if not missing])
    paths = [path for missing in lost.values() for path in missing]
    if paths:
        counts = (
            f"{len(paths)} file{'s' if len(paths) > 1 else ''} that {source} names {'are' if len(paths) > 1 else 'is'}"
        )
        raise MissingError(
            f"{counts} missing, the first is {paths[0]}: {how}", objects, [f"{path} is missing" for path in paths]
        )
    return objects
