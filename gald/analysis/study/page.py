"""study.md: what a study found, in words and tables, the losses first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gald.analysis.study.chart import comparable
from gald.analysis.study.differences import Difference, Found, difference, mean
from gald.analysis.study.study import Study
from gald.metrics.bands import INTERIOR
from gald.support.tables import percent

MEASURES = {
    "miou": "mIoU",
    "boundary_iou": "Boundary IoU",
    "boundary_f/3px": "F 3 px",
    "iou_small": "small",
    "iou_medium": "medium",
    "iou_large": "large",
}
BANDS = {f"band_iou/{width}": width.replace("px", " px") for width in ("1px", "3px", "5px", "9px", "15px", INTERIOR)}
SAID = ("miou", "boundary_iou", "boundary_f/3px", "iou_small")  # of these the page speaks in sentences
NOTHING = "n/a"


def page(
    name: str,
    study: Study,
    seeds: Sequence[int],
    found: Mapping[str, Found],
    facts: Mapping[tuple[str, int], Mapping[str, Any]],
) -> str:
    """The whole page; ``found`` and ``facts`` as in `gald.analysis.study.book.Book`."""
    val, test = study.splits
    lines = [f"# Study {name}", "", *head(study, seeds, facts), "", "## What it says, losses first", ""]
    lines += [*sentences(study, found[test], test), "", *chosen(study, found), ""]
    lines += [f"![Every paired difference on {test}](study.svg)", ""] if comparable(study, found[test]) else []
    for split in (test, val):
        columns = {**MEASURES, **{f"iou/{each}": each for each in study.apart}}
        lines += [f"## {split}: means", "", *means(study, seeds, found[split], columns, facts), ""]
        lines += [f"## {split}: IoU by distance to a true boundary", "", *means(study, seeds, found[split], BANDS), ""]
        lines += [f"## {split}: differences, paired by seed", ""]
        lines += [*differences(study, found[split], {**columns, **BANDS}), ""]
    return "\n".join(lines)


def head(study: Study, seeds: Sequence[int], facts: Mapping[tuple[str, int], Mapping[str, Any]]) -> list[str]:
    """What was run, and how to read the numbers."""
    run = study.rows[study.reference]
    missing = _unfinished(study, seeds, facts)
    wanted = len(study.rows) * len(seeds)
    on = sorted({str(each["machine"]) for each in facts.values()})
    return [
        f"{len(facts)} of {wanted} trainings are finished ({len(study.rows)} rows, seeds {_listed(seeds)}).",
        f"Not finished: {', '.join(missing)}." if missing else "Every row has been run.",
        "",
        f"Protocol, the same for all rows: {run.model.backbone} at stride {run.model.output_stride}, "
        f"{run.data.name} {run.data.train_split}, {run.steps} steps of {run.batch} crops of "
        f"{run.data.crop[0]}x{run.data.crop[1]}, scales {run.data.scale[0]:g} to {run.data.scale[1]:g}. "
        "The rows of a seed see the same pictures, augmented alike, in the same order, and begin with the same weights "
        "in every layer that they share.",
        "",
        "All numbers are percent, whole pictures, single scale; small, medium and large are mIoU by object size. "
        "Behind ± stands the standard deviation over the seeds. An interval is the middle 95 % of the seeds' mean when "
        "the pictures are resampled; it holds the trained networks still. Multiplications are for one picture.",
        *(["", f"Machine: {'; '.join(on)}."] if on else []),
    ]


def _unfinished(study: Study, seeds: Sequence[int], facts: Mapping[tuple[str, int], object]) -> list[str]:
    """Rows that lack a seed, with how many they have."""
    done = {row: sum((row, seed) in facts for seed in seeds) for row in study.rows}
    return [f"{row} ({done[row]} of {len(seeds)})" if done[row] else row for row in done if done[row] < len(seeds)]


def chosen(study: Study, found: Mapping[str, Found]) -> list[str]:
    """The row that the validation split chooses, and what it has on the test split."""
    val, test = study.splits
    scores = {row: mean(found[val], row, "miou") for row in study.rows if any(name == row for name, _ in found[val])}
    if not scores:
        return []
    best = max(scores, key=lambda row: scores[row].mean)
    on_test = mean(found[test], best, "miou")
    return [
        f"Chosen by the mIoU on {val}: {best}, {_percent(scores[best].mean, scores[best].spread)} there, "
        f"{_percent(on_test.mean, on_test.spread)} on {test}."
    ]


def sentences(study: Study, found: Found, split: str) -> list[str]:
    """A line for each pair of rows, the one that lost most mIoU first."""
    pairs = [(row, other, difference(found, row, other, "miou")) for row, other in study.pairs]
    run = sorted((each for each in pairs if each[2].by_seed), key=lambda each: each[2].mean)
    lines = []
    for row, other, _ in run:
        parts = [f"{MEASURES[key]} {said(difference(found, row, other, key))}" for key in SAID]
        lines.append(f"- {row} against {other}, on {split}: {'; '.join(parts)}.")
    return lines or ["Nothing yet: no two rows that are to be compared share a seed."]


def said(each: Difference) -> str:
    """A difference in words: ``-0.41 ± 0.20 points (3 seeds of 3 below; interval -0.90 to +0.10, holds zero)``."""
    if not each.by_seed:
        return f"{NOTHING} (it does not occur)"
    interval = ""
    if not math.isnan(each.low):
        zero = "holds zero" if each.low <= 0 <= each.high else "without zero"
        interval = f"; interval {_signed(each.low)} to {_signed(each.high)}, {zero}"
    return f"{_signed(each.mean, each.spread)} points ({signs(each)}{interval})"


def signs(each: Difference) -> str:
    """How many seeds agree: ``3 seeds of 3 below``; where they don't, ``2 seeds of 3 above, 1 below``."""
    count = len(each.by_seed)
    sides = {"above": each.above, "below": each.below, "level": count - each.above - each.below}
    (word, most), *others = sorted(((k, v) for k, v in sides.items() if v), key=lambda side: -side[1])
    noun = "seed" if most == 1 else "seeds"
    return ", ".join([f"{most} {noun} of {count} {word}", *(f"{number} {word}" for word, number in others)])


def means(
    study: Study,
    seeds: Sequence[int],
    found: Found,
    columns: Mapping[str, str],
    facts: Mapping[tuple[str, int], Mapping[str, Any]] | None = None,
) -> list[str]:
    """A row of the study a line; parameters and multiplications behind, where ``facts`` are given."""
    cost = ["parameters, M", "GMACs"] if facts is not None else []
    lines = _heading(["row", "seeds", *columns.values(), *cost])
    for row in study.rows:
        own = [seed for name, seed in found if name == row]
        if not own:
            continue  # the head lists what has not been run
        cells = [_percent(each.mean, each.spread) for each in (mean(found, row, key) for key in columns)]
        spent = facts[row, own[0]] if facts is not None else None
        cells += [f"{spent['parameters'] / 1e6:.2f}", f"{spent['macs'] / 1e9:.2f}"] if spent else []
        lines.append(_line([row, f"{len(own)} of {len(seeds)}", *cells]))
    return lines


def differences(study: Study, found: Found, columns: Mapping[str, str]) -> list[str]:
    """A pair of rows a line."""
    lines = _heading(["row", "against", "mIoU by seed", *columns.values()])
    for row, other in study.pairs:
        first = difference(found, row, other, "miou")
        if not first.by_seed:
            continue
        cells = [difference(found, row, other, key) for key in columns]
        lines.append(_line([row, other, signs(first), *(_signed(each.mean, each.spread) for each in cells)]))
    return lines


def _heading(cells: Sequence[str]) -> list[str]:
    return [_line(cells), "|" + "---|" * len(cells)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(value: float, spread: float) -> str:
    behind = percent(spread, 2, absent="")
    return percent(value, 2, absent=NOTHING) + (f" ± {behind}" if behind else "")


def _signed(value: float, spread: float = math.nan) -> str:
    if math.isnan(value):
        return NOTHING
    return f"{100 * value:+.2f}" + ("" if math.isnan(spread) else f" ± {100 * spread:.2f}")


def _listed(items: Sequence[object]) -> str:
    return ", ".join(map(str, items))
