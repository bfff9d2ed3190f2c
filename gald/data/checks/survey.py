"""Looking at a split before training on it: every file is read, every fault noted, nothing stops at the first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

from jaxtyping import UInt8
from torch import Tensor

from gald.data.detection import DetectionDataset
from gald.data.labels import Label
from gald.data.segmentation import SegmentationDataset
from gald.images.figure import below, text
from gald.support.errors import UserError

T = TypeVar("T")
DatasetT = TypeVar("DatasetT", SegmentationDataset, DetectionDataset)


class Finding(NamedTuple):
    """Something worth knowing: its kind, for grouping, and the sentence that names the file.

    A ``harmless`` one is a note: no training is spoilt by it.
    """

    kind: str
    sentence: str
    harmless: bool = False


class Survey(ABC, Generic[DatasetT]):
    """What a split holds: counted, and with all findings, once `read_all` has run."""

    title: ClassVar[str]  # of the table with a column for each split
    columns: ClassVar[tuple[str, str]]  # before those of the splits
    sheet_columns: ClassVar[int]
    missing_kind: ClassVar[str]  # what findings of missing files are called
    absent_kind: ClassVar[str]  # what findings of classes are called that do not occur

    def __init__(self, split: str, data: DatasetT, missing: Sequence[str] = ()) -> None:
        self.split = split
        self.data: DatasetT = data
        self.sizes: Counter[tuple[int, int]] = Counter()  # (height, width) of the pictures
        self.findings = [Finding(self.missing_kind, sentence) for sentence in missing]
        self.sound: list[int] = []  # indices of the pictures without a problem

    def read_all(self, progress: Callable[[Iterable[int]], Iterable[int]] = iter) -> None:
        """Look at every picture."""
        for index in progress(range(len(self.data))):
            before = len(self.problems)
            self.look(index)
            if len(self.problems) == before:
                self.sound.append(index)

    @property
    def problems(self) -> list[Finding]:
        """The findings that are not harmless."""
        return [finding for finding in self.findings if not finding.harmless]

    def attempt(self, kind: str, work: Callable[[], T]) -> T | None:
        """What ``work`` returns; its `UserError` becomes a finding."""
        try:
            return work()
        except UserError as error:
            self.findings.append(Finding(kind, str(error)))
            return None

    @abstractmethod
    def look(self, index: int) -> None:
        """Read a picture and what is known of it, count, and note what is wrong."""

    def summary(self) -> dict[str, str]:
        """The rows of the table above the classes."""
        return {"pictures": str(len(self.data)), "size": _sizes_in_words(self.sizes)}

    @abstractmethod
    def class_rows(self) -> dict[tuple[str, str], str]:
        """The rows of the table for the classes: number and name, and what the split holds of each."""

    @abstractmethod
    def occurs(self, train_id: int) -> bool:
        """Whether a class is in any picture."""

    @abstractmethod
    def absence(self, label: Label) -> str:
        """The sentence on a class that is in no split."""

    @abstractmethod
    def draw(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """A picture with what is known of it, to fit a cell of the contact sheet."""

    def cell(self, index: int) -> UInt8[Tensor, "3 h w"]:
        """A picture with what is known of it, above its name."""
        return below([self.draw(index), text(f"{self.split}/{self.data.name(index)}", 14)], gap=4)


def _sizes_in_words(sizes: Counter[tuple[int, int]]) -> str:
    """``640x480``, or the smallest and the largest and how many there are."""
    ordered = sorted(sizes, key=lambda size: size[0] * size[1])
    words = [f"{width}x{height}" for height, width in ordered]
    if len(words) < 2:
        return words[0] if words else "-"
    return f"{words[0]} to {words[-1]} ({len(words)} sizes)"
