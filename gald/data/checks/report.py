"""What ``gald data`` finds out about a data set: every split surveyed, one table, one contact sheet."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from rich import box
from rich.table import Table
from torch import Tensor

from gald.data.checks import detection, segmentation
from gald.data.checks.survey import Finding, Survey
from gald.data.files import MissingFilesError
from gald.data.registry import DATASETS, DatasetInfo
from gald.images.figure import below, framed, grid, legend, text
from gald.support.errors import UserError, lookup


@dataclass
class Report:
    """The surveys of the splits that open, and the findings of all."""

    surveys: list[Survey[Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def table(self, plain: bool) -> Table:
        """A column a split; rows for the pictures, then for every class or label value."""
        first = self.surveys[0]
        table = Table(*first.columns, box=None if plain else box.SIMPLE_HEAD, title=first.title)
        for survey in self.surveys:
            table.add_column(survey.split, justify="right")
        columns = [survey.cells() for survey in self.surveys]
        rows = list(dict.fromkeys(row for column in columns for row in column))
        above = sum(not number for number, _ in rows)  # the rows that are of no class
        for place, row in enumerate(rows, 1):
            table.add_row(*row, *(column.get(row, "never") for column in columns), end_section=place == above)
        return table

    def contact_sheet(self, samples: int) -> UInt8[Tensor, "3 h w"] | None:
        """Faultless pictures with what is known of them, evenly over splits and within them; None where none is."""
        cells = []
        for number, survey in enumerate(self.surveys):
            share = samples // len(self.surveys) + (number < samples % len(self.surveys))
            places = torch.linspace(0, len(survey.sound) - 1, min(share, len(survey.sound))).round().long().tolist()
            for index in (survey.sound[place] for place in places):
                name = text(f"{survey.split}/{survey.data.name(index)}", 14)
                cells.append(below([survey.draw(index), name], gap=4))
        if not cells:
            return None
        first = self.surveys[0]
        sheet = grid(cells, first.in_a_row)
        if isinstance(first, segmentation.SegmentationSurvey):  # boxes have their names beside them
            sheet = below([sheet, legend([(label.name, label.color) for label in first.data.labels], sheet.shape[2])])
        return framed(sheet)


def inspect(name: str, root: Path | None, split: str | None = None) -> Report:
    """Read the splits of a data set, or one; what keeps a split from opening is an error only if none opens."""
    info = lookup(DATASETS, name, "data set")
    report = Report()
    splits = [split] if split else info.splits(root) or ["train"]
    last: UserError | None = None
    for each in splits:
        try:
            survey = _survey(info, root, each)
        except UserError as error:
            report.findings.append(Finding(each, "splits that cannot be opened", str(error)))
            last = error
        else:
            report.surveys.append(survey)
            report.findings += survey.findings
    if last is not None and not report.surveys:
        raise last
    report.findings += _check_classes(info, report.surveys)
    report.findings += [] if split else _missing_splits(splits)
    return report


def _survey(info: DatasetInfo, root: Path | None, split: str) -> Survey[Any]:
    missing: Sequence[str] = ()
    try:
        data = info.load(root, split)
    except MissingFilesError as error:
        data, missing = error.rest, error.missing
    survey: Survey[Any]
    if info.kind == "detection":
        survey = detection.DetectionSurvey(split, data)
        survey.note("missing files", missing)
    else:
        survey = segmentation.SegmentationSurvey(split, data)
        survey.note("files without a partner", missing)
    survey.read_all()
    return survey


def _check_classes(info: DatasetInfo, surveys: Sequence[Any]) -> list[Finding]:
    """Splits whose classes differ, or else classes that no training could use."""
    first = surveys[0]
    names = [label.name for label in first.data.labels]
    for other in surveys[1:]:
        if other.data.labels != first.data.labels:
            other_names = [label.name for label in other.data.labels]
            only = [f"{name} in {other.split} only" for name in other_names if name not in names]
            only += [f"{name} in {first.split} only" for name in names if name not in other_names]
            which = ", ".join(only[:4]) or "other ids or another order"
            sentence = f"the classes of {other.split} are not those of {first.split} ({which}): give both the same list"
            return [Finding("all splits", "splits that do not fit together", sentence)]
    check = detection.check_classes if info.kind == "detection" else segmentation.check_classes
    return check(surveys)


def _missing_splits(splits: Sequence[str]) -> list[Finding]:
    """Notes on the splits that training takes by default and would not find."""
    sentence = "there is no split {0!r}: make it, or name another one to train with, --data.{0}-split ({1})"
    missing = [split for split in ("train", "val") if split not in splits]
    kind, found = "missing splits", ", ".join(splits)
    return [Finding("all splits", kind, sentence.format(split, found), harmless=True) for split in missing]
