"""What is found out about a split before training on it: every file is read, every fault noted, none stops the rest."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from torch import Tensor

from gald.data.detection import DetectionDataset
from gald.data.labels import Label
from gald.data.segmentation import SegmentationDataset
from gald.support.errors import UserError
from gald.support.progress import track

DatasetT = TypeVar("DatasetT", SegmentationDataset, DetectionDataset)


class Finding(NamedTuple):
    """Something worth knowing: in which split, its kind (for grouping), and the sentence that names the file.

    A ``harmless`` one is a note: no training is spoilt by it.
    """

    split: str
    kind: str
    sentence: str
    harmless: bool = False


@dataclass
class Survey(ABC, Generic[DatasetT]):
    """What a split holds. ``counts`` are pixels or pictures with each class, by train id."""

    title: ClassVar[str]  # of the table with a column for each split
    columns: ClassVar[tuple[str, str]]  # before those of the splits
    in_a_row: ClassVar[int]  # pictures of the contact sheet

    split: str
    data: DatasetT
    findings: list[Finding] = field(default_factory=list)
    sound: list[int] = field(default_factory=list)  # indices of the pictures without a problem
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (height, width) of the pictures
    counts: list[int] = field(default_factory=list)

    def read_all(self) -> None:
        """Look at every picture."""
        for index in track(range(len(self.data)), f"reading {self.split}", len(self.data)):
            before = len(self.findings)
            self.look(index)
            if all(finding.harmless for finding in self.findings[before:]):
                self.sound.append(index)

    @abstractmethod
    def look(self, index: int) -> None:
        """Read a picture and what is known of it, count, and note what is wrong."""

    def note(self, kind: str, sentences: Sequence[str], harmless: bool = False) -> None:
        """Add findings of a kind."""
        self.findings += [Finding(self.split, kind, sentence, harmless) for sentence in sentences]

    @contextmanager
    def noting(self, kind: str) -> Iterator[None]:
        """A `UserError` inside becomes a finding of this kind."""
        try:
            yield
        except UserError as error:
            self.note(kind, [str(error)])

    def cells(self) -> dict[tuple[str, str], str]:
        """The split's column of the table, by number and name of the row."""
        return {("", "pictures"): str(len(self.data)), ("", "size"): _sizes_in_words(self.sizes)}

    @abstractmethod
    def draw(self, index: int) -> Tensor:
        """A picture with what is known of it, to fit a cell of the contact sheet."""


def _sizes_in_words(sizes: Counter[tuple[int, int]]) -> str:
    """``640x480``, or the smallest and the largest and how many there are."""
    ordered = sorted(sizes, key=lambda size: size[0] * size[1])
    words = [f"{width}x{height}" for height, width in ordered] or ["-"]
    return words[0] if len(words) == 1 else f"{words[0]} to {words[-1]} ({len(words)} sizes)"


def absent_labels(surveys: Sequence[Survey[Any]]) -> list[Label]:
    """The classes that are in no split: they could be neither learned nor scored."""
    totals = map(sum, zip(*(survey.counts for survey in surveys), strict=True))
    return [label for label, total in zip(surveys[0].data.labels, totals, strict=True) if not total]
