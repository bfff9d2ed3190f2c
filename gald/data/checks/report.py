"""What ``gald data`` finds out about a data set: every split surveyed, one table, one contact sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import UInt8
from rich import box
from rich.table import Table
from torch import Tensor

from gald.data.checks import detection, segmentation
from gald.data.checks.survey import Finding, Survey
from gald.data.files import MissingFilesError
from gald.data.registry import DATASETS, DatasetInfo, Kind
from gald.images.figure import below, framed, grid, legend, text
from gald.support.errors import UserError, lookup


class Look(NamedTuple):
    """How a kind of data set is looked at, and how what is seen is laid out."""

    survey: Callable[[str, Any, Sequence[str]], Survey[Any]]
    check_classes: Callable[[Sequence[Any]], list[Finding]]
    draw: Callable[[Any, int], Tensor]
    title: str
    columns: tuple[str, str]  # of the table, before those of the splits
    in_a_row: int  # pictures of the contact sheet
    legend: bool


LOOKS: dict[Kind, Look] = {
    "segmentation": Look(
        segmentation.survey_label_maps, segmentation.check_classes, segmentation.draw_label_map,
        "share of pixels (pictures with it)", ("value", "class"), 2, legend=True,
    ),
    "detection": Look(
        detection.survey_objects, detection.check_classes, detection.draw_sample,
        "objects: small + medium + large (pictures with it)", ("id", "class"), 3, legend=False,
    ),
}  # fmt: skip


@dataclass
class Report:
    """The surveys of the splits that open, and the findings by split (or "all splits")."""

    look: Look
    surveys: list[Survey[Any]] = field(default_factory=list)
    findings: dict[str, list[Finding]] = field(default_factory=dict)

    def listed(self, harmless: bool) -> dict[str, list[Finding]]:
        """The problems by split, or the notes."""
        found = {
            place: [finding for finding in findings if finding.harmless == harmless]
            for place, findings in self.findings.items()
        }
        return {place: findings for place, findings in found.items() if findings}

    def table(self, plain: bool) -> Table:
        """A column a split; rows for the pictures, then for every class or label value."""
        table = Table(*self.look.columns, box=None if plain else box.SIMPLE_HEAD, title=self.look.title)
        for survey in self.surveys:
            table.add_column(survey.split, justify="right")
        for row in dict.fromkeys(row for survey in self.surveys for row in survey.cells):
            table.add_row(*row, *(survey.cells.get(row, "never") for survey in self.surveys))
        return table

    def contact_sheet(self, samples: int) -> UInt8[Tensor, "3 h w"] | None:
        """Faultless pictures with what is known of them, evenly over splits and within them; None where none is."""
        cells = []
        for number, survey in enumerate(self.surveys):
            share = samples // len(self.surveys) + (number < samples % len(self.surveys))
            places = torch.linspace(0, len(survey.sound) - 1, min(share, len(survey.sound))).round().long().tolist()
            for index in (survey.sound[place] for place in places):
                name = text(f"{survey.split}/{survey.data.name(index)}", 14)
                cells.append(below([self.look.draw(survey.data, index), name], gap=4))
        if not cells:
            return None
        sheet = grid(cells, self.look.in_a_row)
        if self.look.legend:
            labels = [(label.name, label.color) for label in self.surveys[0].data.labels]
            sheet = below([sheet, legend(labels, sheet.shape[2])])
        return framed(sheet)


def inspect(name: str, root: Path | None, split: str | None = None) -> Report:
    """Read the splits of a data set, or one; what keeps a split from opening is an error only if none opens."""
    info = lookup(DATASETS, name, "data set")
    report = Report(LOOKS[info.kind])
    splits = [split] if split else info.splits(root) or ["train"]
    last = UserError(f"{name} has no splits")
    for each in splits:
        try:
            survey = _survey(report.look, info, root, each)
        except UserError as error:
            last, findings = error, [Finding("splits that cannot be opened", str(error))]
        else:
            report.surveys.append(survey)
            findings = survey.findings
        if findings:
            report.findings[each] = findings
    if not report.surveys:
        raise last
    common = [*_check_classes(report), *([] if split else _missing_splits(splits))]
    if common:
        report.findings["all splits"] = common
    return report


def _survey(look: Look, info: DatasetInfo, root: Path | None, split: str) -> Survey[Any]:
    try:
        return look.survey(split, info.load(root, split), ())
    except MissingFilesError as error:
        return look.survey(split, error.rest, error.missing)


def _check_classes(report: Report) -> list[Finding]:
    """Splits whose classes differ, or else classes that no training could use."""
    first = report.surveys[0]
    names = [label.name for label in first.data.labels]
    for other in report.surveys[1:]:
        if other.data.labels != first.data.labels:
            other_names = [label.name for label in other.data.labels]
            only = [f"{name} in {other.split} only" for name in other_names if name not in names]
            only += [f"{name} in {first.split} only" for name in names if name not in other_names]
            which = ", ".join(only[:4]) or "other ids or another order"
            sentence = f"the classes of {other.split} are not those of {first.split} ({which}): give both the same list"
            return [Finding("splits that do not fit together", sentence)]
    return report.look.check_classes(report.surveys)


def _missing_splits(splits: Sequence[str]) -> list[Finding]:
    """Notes on the splits that training takes by default and would not find."""
    sentence = "there is no split {0!r}: make it, or name another one to train with, --data.{0}-split ({1})"
    return [
        Finding("splits that training looks for", sentence.format(split, ", ".join(splits)), harmless=True)
        for split in ("train", "val")
        if split not in splits
    ]
