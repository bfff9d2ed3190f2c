"""Classes: what a data set calls them, how they are drawn, which values its files give them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.images.io import Color, distinct_color
from gald.support.errors import UserError

IGNORE = 255  # train id of a pixel that neither loss nor metric sees
UNLISTED = 254  # marks values that no class has, inside the lookup only


@dataclass(frozen=True)
class Label:
    """A class: its name, its colour (RGB, 0 to 255) and its value in the data set's own label files."""

    name: str
    color: Color
    id: int


class ClassEntry(NamedTuple):
    """A class of a table that may leave out ids and colours."""

    name: str
    id: int | None = None
    color: Color | None = None


def parse_entry(words: Sequence[str]) -> ClassEntry:
    """The class of ``[id] name [red green blue]``; a name may be of several words."""
    numbers = [int(word) if word.removeprefix("-").isdecimal() else None for word in words]
    number = numbers[0] if len(words) > 1 else None
    rest = words if number is None else words[1:]
    red, green, blue = numbers[-3:] if len(rest) > 3 else (None, None, None)
    if red is None or green is None or blue is None:
        return ClassEntry(" ".join(rest), number)
    return ClassEntry(" ".join(rest[:-3]), number, (red, green, blue))


def label_table(text: str, first_id: int = 0) -> tuple[Label, ...]:
    """The classes of a table written as text: ``[id] name [red green blue]``, with commas between."""
    return number_labels([parse_entry(entry.split()) for entry in text.split(",")], first_id)


def number_labels(entries: Sequence[ClassEntry], first_id: int = 0) -> tuple[Label, ...]:
    """The entries with what they leave out: ids counted from ``first_id``, and distinct colours."""
    return tuple(
        Label(entry.name, entry.color or distinct_color(number), number if entry.id is None else entry.id)
        for number, entry in enumerate(entries, first_id)
    )


def label_ids(labels: Sequence[Label], other: int = IGNORE) -> UInt8[Tensor, " 256"]:
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
