"""Classes: what a data set calls them, how they are drawn, which values its files give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def label_table(text: str, first_id: int = 0) -> tuple[Label, ...]:
    """The classes of a table written as text: ``[id] name [red green blue]``, with commas between.

    Without ids they count from ``first_id``; without colours they get distinct ones.
    """
    labels = []
    for number, entry in enumerate(text.split(","), first_id):
        words = entry.split()
        id_ = int(words.pop(0)) if words[0].isdecimal() else number
        color = distinct_color(id_)
        if len(words) > 3 and all(word.isdecimal() for word in words[-3:]):
            color = (int(words[-3]), int(words[-2]), int(words[-1]))
            del words[-3:]
        labels.append(Label(" ".join(words), color, id_))
    return tuple(labels)


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
