"""Pictures with label maps: the one segmentation data set, whatever the layout on disk.

A data set module finds the files and names the classes; reading, checking and mapping values to train ids is here.
A wrong value is found on the CPU, in the loader, and named with file and place: later it would be a CUDA assert.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypedDict

import torch
from jaxtyping import Integer, UInt8
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from gald.data.files import SampleFiles, require_files
from gald.data.labels import IGNORE, UNLISTED, Label, label_ids
from gald.images.io import read_image, read_label, swaps_sides
from gald.support.errors import UserError


class SegmentationSample(TypedDict):
    """``image`` uint8 (3, H, W) RGB; ``mask`` (H, W) train ids, 255 = ignore; ``name`` of the picture."""

    image: Tensor
    mask: Tensor
    name: str


class SegmentationDataset(Dataset[SegmentationSample]):
    """Pictures with label maps.

    ``labels[i]`` is the class with train id i. ``ignored`` are the file values that become 255; a value that is
    neither a class's nor ignored raises. ``read`` turns a label file into raw values (``folder`` reads colours).
    """

    labelled = True  # a test set whose labels are not public says False
    doubts: tuple[str, ...] = ()  # the classes are listed

    def __init__(
        self,
        files: Sequence[SampleFiles],
        labels: Sequence[Label],
        ignored: Iterable[int] = (IGNORE,),
        read: Callable[[Path], Tensor] = read_label,
    ) -> None:
        assert 0 < len(labels) < UNLISTED, "train ids must fit 8 bits"
        self.files = tuple(files)
        self.labels = tuple(labels)
        self.ignored = tuple(ignored)
        self.read = read
        self.value_to_train = torch.full((256,), UNLISTED, dtype=torch.uint8)
        self.value_to_train[list(self.ignored)] = IGNORE
        self.value_to_train[[label.id for label in labels]] = torch.arange(len(labels), dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """Name of a picture, without reading it."""
        return self.files[index].name

    def __getitem__(self, index: int) -> SegmentationSample:
        files = self.files[index]
        image, values = self.image(index), self.values(index)
        check_sizes(files, image, values)
        mask = self.to_train_ids(values, files.label)
        return {"image": tv_tensors.Image(image), "mask": tv_tensors.Mask(mask), "name": files.name}

    def image(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """The picture alone."""
        return read_image(self.files[index].image)

    def values(self, index: int) -> UInt8[Tensor, "h w"]:
        """The label file's own values, unchecked."""
        return self.read(self.files[index].label)

    def mask(self, index: int) -> UInt8[Tensor, "h w"]:
        """Train ids without reading the picture, for counting classes."""
        return self.to_train_ids(self.values(index), self.files[index].label)

    def to_train_ids(self, values: UInt8[Tensor, "h w"], label: Path) -> UInt8[Tensor, "h w"]:
        """File values to train ids; the first value that is no class raises, naming ``label`` and the place."""
        mask = self.value_to_train[values.long()]
        if (mask == UNLISTED).any():
            raise UserError(self._unlisted(label, values, mask == UNLISTED))
        return mask

    def _unlisted(self, label: Path, values: Tensor, wrong: Tensor) -> str:
        y, x = (int(place) for place in wrong.nonzero()[0])
        others = len(set(values[wrong].tolist())) - 1
        more = f" (and {others} other such value{'s' if others > 1 else ''})" if others else ""
        return (
            f"label {label} has the value {int(values[y, x])} at (x, y) = ({x}, {y}){more}, "
            f"which is no class: correct the label, or the list of classes ({self.allowed()})"
        )

    def allowed(self) -> str:
        """The values a label file may hold, in words: ``0 Sky, 1 Building, ...; ignored: 11``."""
        names = [f"{label.id} {label.name}" for label in self.labels]
        if len(names) > 12:
            names = [*names[:8], f"... ({len(names)} classes)", *names[-2:]]
        return ", ".join(names) + ("; ignored: " + ", ".join(map(str, self.ignored)) if self.ignored else "")

    def to_label_ids(self, train_map: Integer[Tensor, "h w"]) -> UInt8[Tensor, "h w"]:
        """Train ids to the values of the data set's own files; what is no class becomes its first ignored value."""
        return label_ids(self.labels, self.ignored[0] if self.ignored else IGNORE)[train_map.cpu().long()]


def unlabelled(
    images: Mapping[str, Path], labels: Sequence[Label], ignored: Iterable[int], how: Callable[[Path], str]
) -> SegmentationDataset:
    """Pictures of a test set whose labels are not public: every pixel has the first ignored value.

    They can be predicted and looked at. No loss or metric sees a pixel of them. ``how(path)`` says how to get a missing
    picture.
    """
    ignored = tuple(ignored)
    # the picture stands for its label map, too: it gives the size
    found = require_files([SampleFiles(name, images[name], images[name]) for name in sorted(images)], how)
    dataset = SegmentationDataset(found.samples, labels, ignored, partial(_blank, value=ignored[0]))
    dataset.labelled = False
    return found.require_all(dataset)


def _blank(image: Path, value: int) -> UInt8[Tensor, "h w"]:
    """A label map of the picture's size; the picture is read, because its EXIF tag may turn it."""
    return torch.full(read_image(image).shape[-2:], value, dtype=torch.uint8)


def check_sizes(files: SampleFiles, image: Tensor, values: Tensor) -> None:
    """Raise `UserError` where the label map is not of its picture's size."""
    (height, width), (rows, columns) = image.shape[-2:], values.shape
    if (height, width) == (rows, columns):
        return
    hint = "make them equal"
    if (height, width) == (columns, rows) and swaps_sides(files.image):
        hint = "the picture is turned by its EXIF tag, the label is not; turn the label or remove the tag"
    raise UserError(
        f"label {files.label} is {columns}x{rows} but its picture {files.image} is {width}x{height}: {hint}"
    )
