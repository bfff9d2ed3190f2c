"""Pairs of picture and label map: the one segmentation data set, whatever the layout on disk.

A data set module finds the files and names the classes; reading, checking and mapping values to train ids is here.
A wrong value is found on the CPU, in the loader, and named with file and place: later it would be a CUDA assert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from jaxtyping import Integer, UInt8
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from gald.images.io import Color, read_image, read_label, swaps_sides
from gald.support.errors import UserError
from gald.support.files import PICTURES

IGNORE = 255  # train id of a pixel that neither loss nor metric sees
UNLISTED = 254  # marks values that no class has, inside the lookup only


@dataclass(frozen=True)
class Label:
    """A class: its name, its colour (RGB, 0 to 255) and its value in the data set's own label files."""

    name: str
    color: Color
    id: int


@dataclass(frozen=True)
class Pair:
    """One picture and its label map; ``name`` is unique within the split and has no ending."""

    name: str
    image: Path
    label: Path


class SegmentationSample(TypedDict):
    """``image`` uint8 (3, H, W) RGB; ``mask`` (H, W) train ids, 255 = ignore; ``name`` of the pair."""

    image: Tensor
    mask: Tensor
    name: str


class SegmentationDataset(Dataset[SegmentationSample]):
    """Pictures with label maps.

    ``labels[i]`` is the class with train id i. ``ignored`` are the file values that become 255; a value that is
    neither a class's nor ignored raises. ``read`` turns a label file into raw values (``folder`` reads colours).
    """

    labelled = True  # a test set whose labels are not public says False

    def __init__(
        self,
        pairs: Sequence[Pair],
        labels: Sequence[Label],
        ignored: Iterable[int] = (IGNORE,),
        read: Callable[[Path], Tensor] = read_label,
    ) -> None:
        assert 0 < len(labels) < UNLISTED, "train ids must fit 8 bits"
        self.pairs = tuple(pairs)
        self.labels = tuple(labels)
        self.ignored = tuple(ignored)
        self.read = read
        self.value_to_train = torch.full((256,), UNLISTED, dtype=torch.uint8)
        self.value_to_train[list(self.ignored)] = IGNORE
        self.value_to_train[[label.id for label in labels]] = torch.arange(len(labels), dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        """Name of a pair, without reading it."""
        return self.pairs[index].name

    def __getitem__(self, index: int) -> SegmentationSample:
        pair = self.pairs[index]
        image, values = self.image(index), self.values(index)
        check_sizes(pair, image, values)
        mask = self.to_train(values, pair.label)
        return {"image": tv_tensors.Image(image), "mask": tv_tensors.Mask(mask), "name": pair.name}

    def image(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """The picture alone."""
        return read_image(self.pairs[index].image)

    def values(self, index: int) -> UInt8[Tensor, "h w"]:
        """The label file's own values, unchecked."""
        return self.read(self.pairs[index].label)

    def mask(self, index: int) -> UInt8[Tensor, "h w"]:
        """Train ids without reading the picture, for counting classes."""
        return self.to_train(self.values(index), self.pairs[index].label)

    def to_train(self, values: UInt8[Tensor, "h w"], label: Path) -> UInt8[Tensor, "h w"]:
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

    def ids(self) -> UInt8[Tensor, " 256"]:
        """Lookup from train id to the data set's own value; what is no class becomes its ignored value."""
        return ids_of(self.labels, self.ignored[0] if self.ignored else IGNORE)

    def to_ids(self, train_map: Integer[Tensor, "h w"]) -> UInt8[Tensor, "h w"]:
        """Train ids to the values of the data set's own files, for a benchmark's server or a labelling tool."""
        return self.ids()[train_map.cpu().long()]


def ids_of(labels: Sequence[Label], other: int = IGNORE) -> UInt8[Tensor, " 256"]:
    """Lookup from train id to the labels' own values; ``other`` for what is no class."""
    table = torch.full((256,), other, dtype=torch.uint8)
    table[: len(labels)] = torch.tensor([label.id for label in labels], dtype=torch.uint8)
    return table


def check_same_classes(labels: Sequence[Label], others: Sequence[Label], who: str, whose: str, advice: str) -> None:
    """Refuse to use two lists of classes together that differ in number, in order or in a name.

    ``who`` has the ``labels``, ``whose`` the ``others``; ``advice`` says what to do.
    """
    names, other_names = [label.name for label in labels], [label.name for label in others]
    if len(names) != len(other_names):
        raise UserError(f"{who} has {len(names)} classes and {whose} has {len(other_names)}; {advice}")
    if names != other_names and sorted(names) == sorted(other_names):
        raise UserError(f"{who} has the classes of {whose} in another order: {', '.join(names)}; list them so")
    for name, other in zip(names, other_names, strict=True):
        if name != other:
            raise UserError(f"{who} has the class {name!r} where {whose} has {other!r}; {advice}")


class UnpairedError(UserError):
    """Files without a partner. ``rest`` holds the pairs that do match, ``lonely`` one sentence per file."""

    def __init__(self, sentence: str, rest: SegmentationDataset, lonely: Sequence[str]) -> None:
        super().__init__(sentence)
        self.rest = rest
        self.lonely = tuple(lonely)


def matched(
    images: Mapping[str, Path], masks: Mapping[str, Path], build: Callable[[list[Pair]], SegmentationDataset]
) -> SegmentationDataset:
    """Pair pictures and label maps of equal name, sorted by name; `UnpairedError` where one is alone."""
    pairs = build([Pair(name, images[name], masks[name]) for name in sorted(images.keys() & masks.keys())])
    no_label = [f"{images[name]} has no label" for name in sorted(images.keys() - masks.keys())]
    no_image = [f"label {masks[name]} has no picture" for name in sorted(masks.keys() - images.keys())]
    lonely = no_label + no_image
    if lonely:
        counts = f"{len(no_label)} of {len(images)} pictures have no label, {len(no_image)} labels have no picture"
        shown = "; ".join(lonely[:3]) + ("; ..." if len(lonely) > 3 else "")
        raise UnpairedError(f"{counts}: {shown}; add the missing files or move these away", pairs, lonely)
    return pairs


def check_sizes(pair: Pair, image: Tensor, values: Tensor) -> None:
    """Raise `UserError` where the label map is not of its picture's size."""
    (height, width), (rows, columns) = image.shape[-2:], values.shape
    if (height, width) == (rows, columns):
        return
    hint = "make them equal"
    if (height, width) == (columns, rows) and swaps_sides(pair.image):
        hint = "the picture is turned by its EXIF tag, the label is not; turn the label or remove the tag"
    raise UserError(f"label {pair.label} is {columns}x{rows} but its picture {pair.image} is {width}x{height}: {hint}")


def pictures_in(folder: Path) -> dict[str, Path]:
    """Map name (without ending) to path for the pictures directly in a folder.

    Raises `UserError` where the folder is missing, is a file, holds no picture, or holds one name twice.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} {'is a file, not a folder' if folder.exists() else 'does not exist'}")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PICTURES or path.name.startswith("."):
            continue
        if path.stem in found:
            raise UserError(f"{folder} holds both {found[path.stem].name} and {path.name}: keep one of them")
        found[path.stem] = path
    if not found:
        raise UserError(f"{folder} holds no pictures (looked for {', '.join(PICTURES)})")
    return found
