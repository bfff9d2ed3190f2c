"""What ``gald data`` finds out about a data set: every split surveyed, one table, one contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from rich import box
from rich.table import Table
from torch import Tensor

from gald.data.checks.detection import DetectionSurvey, misspelt_classes
from gald.data.checks.segmentation import SegmentationSurvey
from gald.data.checks.survey import Finding, Survey
from gald.data.files import MissingFilesError
from gald.data.registry import DATASETS, DatasetInfo
from gald.images.figure import below, framed, grid, legend
from gald.support.errors import UserError, lookup
from gald.support.progress import track

SURVEYS: dict[str, type[Survey[Any]]] = {"segmentation": SegmentationSurvey, "detection": DetectionSurvey}
TRAINING = ("train", "val")  # the splits that training takes unless told otherwise


@dataclass
class Report:
    """The surveys of the splits that open, and the findings by split (or "all splits")."""

    surveys: list[Survey[Any]]
    findings: dict[str, list[Finding]]

    def listed(self, harmless: bool) -> dict[str, list[Finding]]:
        """The problems by split, or the notes."""
        found = {
            place: [finding for finding in findings if finding.harmless == harmless]
            for place, findings in self.findings.items()
        }
        return {place: findings for place, findings in found.items() if findings}

    def table(self, plain: bool) -> Table:
        """A column a split; rows for the pictures, then for every class or label value."""
        first = self.surveys[0]
        table = Table(*first.columns, box=None if plain else box.SIMPLE_HEAD, title=first.title)
        for survey in self.surveys:
            table.add_column(survey.split, justify="right")
        for name, *cells in zip(first.summary(), *(survey.summary().values() for survey in self.surveys), strict=True):
            table.add_row("", name, *cells)
        table.add_section()
        columns = [survey.class_rows() for survey in self.surveys]
        for key in dict.fromkeys(key for column in columns for key in column):
            table.add_row(*key, *(column.get(key, "never") for column in columns))
        return table

    def contact_sheet(self, samples: int) -> UInt8[Tensor, "3 h w"] | None:
        """Faultless pictures with what is known of them, evenly over splits and within them; None where none is."""
        chosen = choose_evenly([survey.sound for survey in self.surveys], samples)
        if not chosen:
            return None
        first = self.surveys[0]
        sheet = grid([self.surveys[number].cell(index) for number, index in chosen], first.sheet_columns)
        if isinstance(first, SegmentationSurvey):  # boxes have their names beside them
            sheet = below([sheet, legend([(label.name, label.color) for label in first.data.labels], sheet.shape[2])])
        return framed(sheet)


def inspect(name: str, root: Path | None, split: str | None = None) -> Report:
    """Read the splits of a data set, or one; what keeps a whole split from opening is an error if no split opens."""
    info = lookup(DATASETS, name, "data set")
    splits = [split] if split else info.splits(root) or ["train"]
    report, last = Report([], {}), UserError("")
    for each in splits:
        try:
            survey = _survey(info, root, each)
        except UserError as error:
            report.findings[each] = [Finding("splits that cannot be opened", str(error))]
            last = error
            continue
        report.surveys.append(survey)
        if survey.findings:
            report.findings[each] = survey.findings
    if not report.surveys:
        raise last
    notes = [] if split else _missing_splits(splits)
    if findings := [*_class_findings(report.surveys), *notes]:
        report.findings["all splits"] = findings
    return report


def _survey(info: DatasetInfo, root: Path | None, split: str) -> Survey[Any]:
    missing: Sequence[str] = ()
    try:
        data = info.load(root, split)
    except MissingFilesError as error:
        data, missing = error.rest, error.missing
    survey = SURVEYS[info.kind](split, data, missing)
    survey.read_all(partial(track, what=f"reading {split}", total=len(data)))
    return survey


def _class_findings(surveys: Sequence[Survey[Any]]) -> list[Finding]:
    """Splits whose classes differ; else classes that could be neither learned nor scored, or have no right to be."""
    first = surveys[0]
    other = next((survey for survey in surveys if survey.data.labels != first.data.labels), None)
    if other is not None:
        return [Finding("splits that do not fit together", _difference(first, other))]
    findings = []
    for train_id, label in enumerate(first.data.labels):
        if not any(survey.occurs(train_id) for survey in surveys):
            findings.append(Finding(first.absent_kind, first.absence(label)))
    detections = [survey for survey in surveys if isinstance(survey, DetectionSurvey)]
    return findings + (misspelt_classes(detections) if detections else [])


def _difference(first: Survey[Any], other: Survey[Any]) -> str:
    names, other_names = ([label.name for label in survey.data.labels] for survey in (first, other))
    only = [f"{name} in {other.split} only" for name in other_names if name not in names]
    only += [f"{name} in {first.split} only" for name in names if name not in other_names]
    which = ", ".join(only[:4]) or "other ids or another order"
    return f"the classes of {other.split} are not those of {first.split} ({which}): give both the same list"


def _missing_splits(splits: Sequence[str]) -> list[Finding]:
    """Notes on the splits that a training would not find."""
    return [
        Finding(
            "splits that training looks for",
            f"there is no split {name!r}: make it, or name another one to train with, --data.{name}-split "
            f"({', '.join(splits)})",
            harmless=True,
        )
        for name in TRAINING
        if name not in splits
    ]


def choose_evenly(sound: Sequence[Sequence[int]], samples: int) -> list[tuple[int, int]]:
    """``samples`` pairs of (split, index), evenly over the splits and within the indices ``sound`` of each."""
    chosen: list[tuple[int, int]] = []
    for number, indices in enumerate(sound):
        share = samples // len(sound) + (number < samples % len(sound))
        places = torch.linspace(0, len(indices) - 1, min(share, len(indices))).round().long().tolist()
        chosen += [(number, indices[place]) for place in places]
    return chosen
