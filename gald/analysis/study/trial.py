"""One training of a study: a row and a seed, and the folder that they have."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gald.analysis.study.study import Study


@dataclass(frozen=True)
class Trial:
    """A row and a seed, in ``OUT/ROW/SEED``, which is a run's folder and more."""

    row: str
    seed: int
    folder: Path

    @property
    def last(self) -> Path:
        return self.folder / "last.pt"

    @property
    def best(self) -> Path:
        return self.folder / "best.safetensors"

    @property
    def beginning(self) -> Path:
        """The weights it begins from; deleted when it is trained."""
        return self.folder / "begin.safetensors"

    @property
    def begun(self) -> bool:
        """Whether there is something to go on from."""
        return self.last.is_file()

    @property
    def trained(self) -> bool:
        """Whether no step is left; it may have to be measured yet."""
        return self.begun and not self.beginning.is_file()

    def numbers(self, split: str) -> Path:
        """JSON of one split: the scores, and what the row costs."""
        return self.folder / f"{split}.json"

    def counts(self, split: str) -> Path:
        """The counts of each picture that the scores come from."""
        return self.folder / f"{split}-counts.safetensors"

    def finished(self, splits: Sequence[str]) -> bool:
        """Whether it is trained and measured."""
        return all(self.numbers(split).is_file() for split in splits)


def trials(study: Study, out: Path, rows: Sequence[str], seeds: Sequence[int]) -> list[Trial]:
    """The chosen rows in the study's order, once for each seed."""
    return [Trial(row, seed, out / row / str(seed)) for seed in seeds for row in study.rows if row in rows]


def seeds_to_report(study: Study, out: Path, asked: Sequence[int]) -> tuple[int, ...]:
    """The seeds of the study, those asked for, and those of earlier calls."""
    found = {int(path.name) for row in study.rows for path in (out / row).glob("*") if path.name.isdecimal()}
    return tuple(sorted({*study.seeds, *asked, *found}))
