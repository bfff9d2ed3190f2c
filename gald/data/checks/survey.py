"""What is found out about a split before training on it: every file is read, every fault noted, none stops the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from gald.data.detection import DetectionDataset
from gald.data.labels import Label
from gald.data.segmentation import SegmentationDataset
from gald.support.errors import UserError
from gald.support.progress import track

DatasetT = TypeVar("DatasetT", SegmentationDataset, DetectionDataset)
Cells = dict[tuple[str, str], str]


class Finding(NamedTuple):
    """Something worth knowing: its kind, for grouping, and the sentence that names the file.

    A ``harmless`` one is a note: no training is spoilt by it.
    """

    kind: str
    sentence: str
    harmless: bool = False


@dataclass
class Survey(Generic[DatasetT]):
    """What a split holds."""

    split: str
    data: DatasetT
    findings: list[Finding]
    sound: list[int] = field(default_factory=list)  # indices of the pictures without a problem
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (height, width) of the pictures
    counts: list[int] = field(default_factory=list)  # pixels or pictures with each class, by train id
    cells: Cells = field(default_factory=dict)  # the split's column of the table, by number and name of the row

    def read_all(self, look: Callable[[int], None]) -> None:
        """Have every picture looked at."""
        for index in track(range(len(self.data)), f"reading {self.split}", len(self.data)):
            before = self._problems()
            look(index)
            if self._problems() == before:
                self.sound.append(index)

    def _problems(self) -> int:
        return sum(not finding.harmless for finding in self.findings)

    @contextmanager
    def noting(self, kind: str) -> Iterator[None]:
        """A `UserError` inside becomes a finding of this kind."""
        try:
            yield
        except UserError as error:
            self.findings.append(Finding(kind, str(error)))

    def first_cells(self) -> Cells:
        """The rows of the table that both kinds of data sets have."""
        return {("", "pictures"): str(len(self.data)), ("", "size"): _sizes_in_words(self.sizes)}


def _sizes_in_words(sizes: Counter[tuple[int, int]]) -> str:
    """``640x480``, or the smallest and the largest and how many there are."""
    ordered = sorted(sizes, key=lambda size: size[0] * size[1])
    words = [f"{width}x{height}" for height, width in ordered]
    if len(words) < 2:
        return words[0] if words else "-"
    return f"{words[0]} to {words[-1]} ({len(words)} sizes)"


def absent_labels(surveys: Sequence[Survey[Any]]) -> list[Label]:
    """The classes that are in no split: they could be neither learned nor scored."""
    totals = map(sum, zip(*(survey.counts for survey in surveys), strict=True))
    return [label for label, total in zip(surveys[0].data.labels, totals, strict=True) if not total]
