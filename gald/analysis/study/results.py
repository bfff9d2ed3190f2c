"""What is known of a study's trials, and what tells it: study.md and study.svg to read, study.json for programs."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from gald.analysis.statistics.bootstrap import blocks, draws
from gald.analysis.statistics.scores import Scores, score_counts
from gald.analysis.study.chart import COLUMNS, chart
from gald.analysis.study.differences import difference, over_seeds
from gald.analysis.study.measure import load_counts
from gald.analysis.study.report import report
from gald.analysis.study.study import Study
from gald.analysis.study.trial import Trial
from gald.data.segmentation import SegmentationDataset
from gald.support.errors import UserError
from gald.support.files import write_json, write_whole


class TrialReader:
    """Reads what a finished trial has left in its folder, with the same resamples of the pictures for all."""

    def __init__(self, study: Study, splits: Mapping[str, SegmentationDataset]) -> None:
        data = study.rows[study.reference].data.name
        self.first = study.splits[0]
        self.classes = [label.name for label in splits[self.first].labels]
        names = {split: [dataset.name(i) for i in range(len(dataset))] for split, dataset in splits.items()}
        self.weights = {split: draws(blocks(names[split], data)) for split in splits}

    def scores(self, trial: Trial, split: str) -> Scores:
        """Of its counts."""
        return score_counts(load_counts(trial.counts(split)), self.classes, self.weights[split])

    def facts(self, trial: Trial) -> dict[str, Any]:
        """What else its JSON says: parameters, multiplications, machine."""
        path = trial.numbers(self.first)
        try:
            facts: dict[str, Any] = json.loads(path.read_text())
            return {key: facts[key] for key in ("parameters", "macs", "seconds_per_step", "machine", "step")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"can't read {path} ({error}); delete it to measure the row again") from None


class StudyResults:
    """The finished trials of a study, by (row, seed), and which are trained and not measured yet."""

    def __init__(self, name: str, study: Study, seeds: Sequence[int]) -> None:
        self.name, self.study, self.seeds = name, study, tuple(seeds)
        self.scores: dict[str, dict[tuple[str, int], Scores]] = {split: {} for split in study.splits}
        self.facts: dict[tuple[str, int], dict[str, Any]] = {}
        self.unmeasured: set[tuple[str, int]] = set()

    def add(self, trial: Trial, reader: TrialReader) -> None:
        """Take in how far a trial is."""
        key = trial.row, trial.seed
        if trial.finished(self.study.splits):
            self.unmeasured.discard(key)
            self.facts[key] = reader.facts(trial)
            for split, found in self.scores.items():
                found[key] = reader.scores(trial, split)
        elif trial.trained:
            self.unmeasured.add(key)

    def time_left(self, todo: Sequence[Trial]) -> str:
        """How long the rest takes by the trials that are finished; nothing before the first."""
        paces = [facts["seconds_per_step"] for facts in self.facts.values() if facts.get("seconds_per_step")]
        if not paces:
            return ""
        steps = sum(self.study.rows[trial.row].steps for trial in todo)
        left = timedelta(seconds=round(steps * sum(paces) / len(paces)))
        return f" (about {left} left, going by {len(paces)} finished)"

    def write(self, out: Path) -> None:
        """Write study.json, study.md and its drawing."""
        test = self.study.splits[1]
        drawing = chart(self.study, self.scores[test], COLUMNS, f"{self.name}, {test}: row minus row, in points")
        if drawing:
            write_whole(out / "study.svg", drawing.encode())
        write_json(out / "study.json", self.as_json())
        page = report(self.name, self.study, self.seeds, self.scores, self.facts, self.unmeasured)
        write_whole(out / "study.md", page.encode())

    def as_json(self) -> dict[str, Any]:
        """Every number: of each row, each seed, and each difference; shares in [0, 1]."""
        return {
            "study": self.name,
            "reference": self.study.reference,
            "seeds": self.seeds,
            "rows": {row: self._row(row) for row in self.study.rows},
            "differences": [self._difference(row, other) for row, other in self.study.pairs],
        }

    def _row(self, row: str) -> dict[str, Any]:
        seeds = sorted(seed for name, seed in self.facts if name == row)
        if not seeds:
            return {"finished": []}
        cost = {key: self.facts[row, seeds[0]][key] for key in ("parameters", "macs")}
        numbers = {
            split: {key: over_seeds(scores, row, key).as_json() for key in _keys(scores)}
            for split, scores in self.scores.items()
        }
        return {"finished": seeds, **cost, **numbers}

    def _difference(self, row: str, other: str) -> dict[str, Any]:
        numbers = {
            split: {key: difference(scores, row, other, key).as_json() for key in _keys(scores)}
            for split, scores in self.scores.items()
        }
        return {"row": row, "other": other, **numbers}


def _keys(scores: Mapping[tuple[str, int], Scores]) -> list[str]:
    return sorted(next(iter(scores.values())).value) if scores else []
