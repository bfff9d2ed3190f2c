"""What is finished of a study, and what tells it: study.md and study.svg to read, study.json for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from gald.analysis.statistics.bootstrap import blocks, draws
from gald.analysis.statistics.scores import Scores, score_counts
from gald.analysis.study.chart import DRAWN, chart
from gald.analysis.study.counting import load_counts
from gald.analysis.study.differences import difference, mean
from gald.analysis.study.page import page
from gald.analysis.study.plan import Place, place
from gald.analysis.study.study import Study
from gald.data.segmentation import SegmentationDataset
from gald.support.errors import UserError
from gald.support.files import write_json, write_whole


class Book:
    """The finished rows of a study.

    ``found`` holds the numbers of each split by (row, seed), ``facts`` what else a row's JSON says of it (parameters,
    multiplications, machine).
    """

    def __init__(
        self, name: str, study: Study, out: Path, splits: Mapping[str, SegmentationDataset], seeds: Sequence[int]
    ) -> None:
        self.name, self.study, self.out, self.seeds = name, study, out, tuple(seeds)
        self.classes = [label.name for label in next(iter(splits.values())).labels]
        data = study.rows[study.reference].data.name
        self.weights = {
            split: draws(blocks([pairs.name(i) for i in range(len(pairs))], data)) for split, pairs in splits.items()
        }
        self.found: dict[str, dict[tuple[str, int], Scores]] = {split: {} for split in splits}
        self.facts: dict[tuple[str, int], dict[str, Any]] = {}
        for each in (place(out, row, seed) for row in study.rows for seed in seeds):
            if each.finished(study.splits):
                self.add(each)

    def add(self, each: Place) -> None:
        """Take in a row that is finished."""
        for split, found in self.found.items():
            found[each.row, each.seed] = score_counts(
                load_counts(each.counts(split)), self.classes, self.weights[split]
            )
        self.facts[each.row, each.seed] = _read(each.numbers(self.study.splits[0]))

    def left(self, todo: Sequence[Place]) -> str:
        """How long the rest takes by the rows that are finished; nothing before the first."""
        paces = [facts["seconds_per_step"] for facts in self.facts.values() if facts.get("seconds_per_step")]
        if not paces:
            return ""
        steps = sum(self.study.rows[each.row].steps for each in todo)
        left = timedelta(seconds=round(steps * sum(paces) / len(paces)))
        return f" (about {left} left, going by {len(paces)} finished)"

    def write(self) -> None:
        """Write study.json, study.md and its drawing."""
        test = self.study.splits[1]
        what = f"{self.name}, {test}: row minus row, in points"
        drawn = chart(self.study, self.found[test], DRAWN, what)
        if drawn:
            write_whole(self.out / "study.svg", drawn.encode())
        write_json(self.out / "study.json", self.as_json())
        write_whole(self.out / "study.md", page(self.name, self.study, self.seeds, self.found, self.facts).encode())

    def as_json(self) -> dict[str, Any]:
        """Every number: of each row, each seed, and each difference; shares in [0, 1], null for what is not there."""
        return {
            "study": self.name,
            "reference": self.study.reference,
            "seeds": self.seeds,
            "rows": {row: self._row(row) for row in self.study.rows},
            "differences": [self._difference(row, other) for row, other in self.study.pairs],
        }

    def _keys(self, split: str) -> list[str]:
        return sorted(next(iter(self.found[split].values())).value) if self.found[split] else []

    def _row(self, row: str) -> dict[str, Any]:
        seeds = [seed for name, seed in self.facts if name == row]
        if not seeds:
            return {"finished": []}
        facts = self.facts[row, seeds[0]]
        return {
            "finished": sorted(seeds),
            "parameters": facts["parameters"],
            "macs": facts["macs"],
            **{split: {key: self._mean(split, row, key) for key in self._keys(split)} for split in self.found},
        }

    def _mean(self, split: str, row: str, key: str) -> dict[str, Any]:
        found = mean(self.found[split], row, key)
        by_seed = {str(seed): self.found[split][row, seed].value[key] for seed in found.seeds}
        return {"mean": found.mean, "spread": found.spread, "by_seed": by_seed}

    def _difference(self, row: str, other: str) -> dict[str, Any]:
        found = {
            split: {key: difference(self.found[split], row, other, key) for key in self._keys(split)}
            for split in self.found
        }
        return {
            "row": row,
            "other": other,
            **{
                split: {
                    key: {
                        "mean": each.mean,
                        "spread": each.spread,
                        "by_seed": {str(seed): value for seed, value in each.by_seed.items()},
                        "above": each.above,
                        "below": each.below,
                        "interval": None if math.isnan(each.low) else [each.low, each.high],
                    }
                    for key, each in by_key.items()
                }
                for split, by_key in found.items()
            },
        }


def _read(path: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        return {key: facts[key] for key in ("parameters", "macs", "seconds_per_step", "machine", "step")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"can't read {path} ({error}); delete it to measure the row again") from None
