"""A look before training: every file of a split is read, every fault noted, nothing stops at the first.

Most "IoU 0" and "device-side assert" reports come down to label values, and those are cheap to count beforehand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from gald.data.pairs import Pairs, check_sizes
from gald.errors import UserError
from gald.pictures import draw_legend, overlay

T = TypeVar("T")
CELL = (240, 320)  # largest height and width of a picture on the contact sheet
GAP = 6


class Problem(NamedTuple):
    """One fault: which kind (for grouping), and the sentence that names the file."""

    kind: str
    sentence: str


@dataclass
class Survey:
    """What a split holds. ``pixels`` and ``seen_in`` count, for each of the 256 label values, pixels and pictures."""

    split: str
    data: Pairs
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (height, width) of the pictures
    pixels: Tensor = field(default_factory=lambda: torch.zeros(256, dtype=torch.int64))
    seen_in: Tensor = field(default_factory=lambda: torch.zeros(256, dtype=torch.int64))
    problems: list[Problem] = field(default_factory=list)
    good: list[int] = field(default_factory=list)  # indices of the pairs without a fault

    def share(self, value: int) -> float:
        """Part of all label pixels that have a value, 0 to 1."""
        return float(self.pixels[value]) / max(1, int(self.pixels.sum()))

    def strays(self) -> list[int]:
        """Values that occur and are neither a class nor ignored."""
        listed = {label.id for label in self.data.labels} | set(self.data.ignored)
        return [value for value in self.pixels.nonzero().flatten().tolist() if value not in listed]


def survey(
    split: str, data: Pairs, lonely: Sequence[str] = (), progress: Callable[[Iterable[int]], Iterable[int]] = iter
) -> Survey:
    """Read all pairs of a split; ``lonely`` are the sentences about files without a partner."""
    found = Survey(split, data, problems=[Problem("files without a partner", sentence) for sentence in lonely])
    for index in progress(range(len(data))):
        before = len(found.problems)
        _look(found, index)
        if len(found.problems) == before:
            found.good.append(index)
    return found


def _look(found: Survey, index: int) -> None:
    data, pair = found.data, found.data.pairs[index]
    image = _try(found, "pictures that cannot be read", lambda: data.image(index))
    values = _try(found, "labels that cannot be read", lambda: data.values(index))
    if image is not None:
        found.sizes[(image.shape[-2], image.shape[-1])] += 1
    if values is not None:
        counts = torch.bincount(values.flatten(), minlength=256)
        found.pixels += counts
        found.seen_in += counts > 0
        _try(found, "labels with a value that is no class", lambda: data.to_train(values, pair.label))
    if image is not None and values is not None:
        _try(found, "labels of another size than their picture", lambda: check_sizes(pair, image, values))


def _try(found: Survey, kind: str, work: Callable[[], T]) -> T | None:
    try:
        return work()
    except UserError as error:
        found.problems.append(Problem(kind, str(error)))
        return None


def never_seen(surveys: Sequence[Survey]) -> list[Problem]:
    """A problem for each class that no label of any split holds; it could be neither learned nor scored."""
    if not surveys:
        return []
    seen = torch.stack([each.pixels for each in surveys]).sum(0)
    missing = [label for label in surveys[0].data.labels if seen[label.id] == 0]
    # 0/255 masks are the most common cause: 255 is ignored, and the class that should have been 1 is empty
    hint = (
        "; do your masks use 255 for it? then give it the id 255"
        if 255 in surveys[0].data.ignored and seen[255]
        else ""
    )
    kind = "classes that occur in no label"
    return [Problem(kind, f"class {label.id} {label.name} occurs in no label{hint}") for label in missing]


def contact_sheet(surveys: Sequence[Survey], samples: int) -> UInt8[Tensor, "3 h w"] | None:
    """Faultless pairs, evenly over splits and within them, as picture | overlay in two columns, with one legend."""
    chosen: list[tuple[Survey, int]] = []
    for number, each in enumerate(surveys):
        share = samples // len(surveys) + (number < samples % len(surveys))
        places = torch.linspace(0, len(each.good) - 1, min(share, len(each.good))).round().long().tolist()
        chosen += [(each, each.good[place]) for place in places]
    if not chosen:
        return None
    cells = [_cell(each, index) for each, index in chosen]
    columns = min(2, len(cells))
    cells += [torch.full((3, 1, 1), 255, dtype=torch.uint8)] * (-len(cells) % columns)
    rows = [_beside(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    legend = draw_legend([(label.name, label.color) for label in surveys[0].data.labels], max(r.shape[2] for r in rows))
    return _below([*rows, legend])


def _cell(found: Survey, index: int) -> Tensor:
    """One pair, shrunk to fit, above its name."""
    labels = found.data.labels
    sample = found.data[index]
    image, mask = (
        _fit(sample["image"].as_subclass(Tensor), "bilinear"),
        _fit(sample["mask"].as_subclass(Tensor)[None], "nearest-exact")[0],
    )
    colors, names = [label.color for label in labels], [label.name for label in labels]
    both = _beside([image, overlay(image, mask, colors, names, legend=False)])
    return _below([both, draw_legend([(f"{found.split}/{sample['name']}", None)], both.shape[2])])


def _fit(x: Tensor, mode: str) -> Tensor:
    height, width = x.shape[-2:]
    factor = min(1.0, CELL[0] / height, CELL[1] / width)
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    shrunk = F.interpolate(x[None].float(), size, mode=mode, antialias=mode == "bilinear")[0]
    return shrunk.round().clamp(0, 255).to(torch.uint8)


def _beside(parts: Sequence[Tensor]) -> Tensor:
    height = max(part.shape[1] for part in parts)
    return torch.cat([F.pad(part, (0, GAP, 0, height - part.shape[1]), value=255) for part in parts], 2)


def _below(parts: Sequence[Tensor]) -> Tensor:
    width = max(part.shape[2] for part in parts)
    return torch.cat([F.pad(part, (0, width - part.shape[2], 0, GAP), value=255) for part in parts], 1)
