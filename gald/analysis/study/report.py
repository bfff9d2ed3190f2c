"""study.md: what a study found, in words and tables, the losses first."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gald.analysis.study.chart import comparable
from gald.analysis.study.differences import Difference, OverSeeds, SplitScores, difference, over_seeds
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
IN_WORDS = ("miou", "boundary_iou", "boundary_f/3px", "iou_small")  # of these the page speaks in sentences
NOTHING = "n/a"


def report(
    name: str,
    study: Study,
    seeds: Sequence[int],
    scores: Mapping[str, SplitScores],
    facts: Mapping[tuple[str, int], Mapping[str, Any]],
    unmeasured: Collection[tuple[str, int]] = (),
) -> str:
    """The whole page; what is known of the trials as in `gald.analysis.study.results.StudyResults`."""
    val, test = study.splits
    lines = [f"# Study {name}", "", *head(study, seeds, facts, unmeasured), "", "## What it says, losses first", ""]
    lines += [*sentences(study, scores[test], test), "", *chosen(study, scores), ""]
    lines += [f"![Every paired difference on {test}](study.svg)", ""] if comparable(study, scores[test]) else []
    for split in (test, val):
        columns = {**MEASURES, **{f"iou/{name}": name for name in study.apart}}
        lines += [f"## {split}: means", "", *means(study, seeds, scores[split], columns, facts), ""]
        lines += [f"## {split}: IoU by distance to a true boundary", "", *means(study, seeds, scores[split], BANDS), ""]
        lines += [f"## {split}: differences, paired by seed", ""]
        lines += [*differences(study, scores[split], {**columns, **BANDS}), ""]
    return "\n".join(lines)


def head(
    study: Study,
    seeds: Sequence[int],
    facts: Mapping[tuple[str, int], Mapping[str, Any]],
    unmeasured: Collection[tuple[str, int]],
) -> list[str]:
    """What was run, and how to read the numbers."""
    run = study.rows[study.reference]
    wanted = len(study.rows) * len(seeds)
    machines = sorted({str(own["machine"]) for own in facts.values()})
    return [
        f"{len(facts)} of {wanted} trainings are finished ({len(study.rows)} rows, seeds {_listed(seeds)}).",
        *_unfinished(study, seeds, facts, unmeasured),
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
        *(["", f"Machine: {'; '.join(machines)}."] if machines else []),
    ]


def _unfinished(
    study: Study,
    seeds: Sequence[int],
    facts: Mapping[tuple[str, int], object],
    unmeasured: Collection[tuple[str, int]],
) -> list[str]:
    """Rows that lack a seed, with how many they have, and trainings that are there and not measured yet."""
    done = {row: sum((row, seed) in facts for seed in seeds) for row in study.rows}
    rows = [f"{row} ({done[row]} of {len(seeds)})" if done[row] else row for row in done if done[row] < len(seeds)]
    if not rows:
        return ["Every row has been run."]
    trained = [f"{row}, seed {seed}" for row, seed in sorted(unmeasured)]
    said = [f"Trained and not measured yet: {'; '.join(trained)}."] if trained else []
    return [f"Not finished: {_listed(rows)}.", *said]


def chosen(study: Study, scores: Mapping[str, SplitScores]) -> list[str]:
    """The row that the validation split chooses, and what it has on the test split."""
    val, test = study.splits
    finished = [row for row in study.rows if any(name == row for name, _ in scores[val])]
    if not finished:
        return []
    on_val = {row: over_seeds(scores[val], row, "miou") for row in finished}
    best = max(finished, key=lambda row: on_val[row].mean)
    found = [_with_spread(numbers) for numbers in (on_val[best], over_seeds(scores[test], best, "miou"))]
    return [f"Chosen by the mIoU on {val}: {best}, {found[0]} there, {found[1]} on {test}."]


def sentences(study: Study, scores: SplitScores, split: str) -> list[str]:
    """A line for each pair of rows, the one that lost most mIoU first."""
    pairs = [(row, other, difference(scores, row, other, "miou")) for row, other in study.pairs]
    lines = []
    for row, other, _ in sorted((pair for pair in pairs if pair[2].by_seed), key=lambda pair: pair[2].mean):
        parts = [f"{MEASURES[key]} {in_words(difference(scores, row, other, key))}" for key in IN_WORDS]
        lines.append(f"- {row} against {other}, on {split}: {'; '.join(parts)}.")
    return lines or ["Nothing yet: no two rows that are to be compared share a seed."]


def in_words(found: Difference) -> str:
    """``-0.41 ± 0.20 points (3 seeds of 3 below; interval -0.90 to +0.10, holds zero)``."""
    if not found.by_seed:
        return f"{NOTHING} (it does not occur)"
    interval = ""
    if not math.isnan(found.low):
        zero = "holds zero" if found.low <= 0 <= found.high else "without zero"
        interval = f"; interval {100 * found.low:+.2f} to {100 * found.high:+.2f}, {zero}"
    return f"{_with_spread(found, '+')} points ({signs(found)}{interval})"


def signs(found: Difference) -> str:
    """How many seeds agree: ``3 seeds of 3 below``; where they don't, ``2 seeds of 3 above, 1 below``."""
    count = len(found.by_seed)
    sides = {"above": found.above, "below": found.below, "level": count - found.above - found.below}
    (word, most), *others = sorted(((k, v) for k, v in sides.items() if v), key=lambda side: -side[1])
    noun = "seed" if most == 1 else "seeds"
    return ", ".join([f"{most} {noun} of {count} {word}", *(f"{number} {word}" for word, number in others)])


def means(
    study: Study,
    seeds: Sequence[int],
    scores: SplitScores,
    columns: Mapping[str, str],
    facts: Mapping[tuple[str, int], Mapping[str, Any]] | None = None,
) -> list[str]:
    """A row of the study a line; parameters and multiplications behind, where ``facts`` are given."""
    cost = ["parameters, M", "GMACs"] if facts is not None else []
    lines = _heading(["row", "seeds", *columns.values(), *cost])
    for row in study.rows:
        own = [seed for name, seed in scores if name == row]
        if not own:
            continue  # the head lists what has not been run
        cells = [_with_spread(over_seeds(scores, row, key)) for key in columns]
        spent = facts[row, own[0]] if facts is not None else None
        cells += [f"{spent['parameters'] / 1e6:.2f}", f"{spent['macs'] / 1e9:.2f}"] if spent else []
        lines.append(_line([row, f"{len(own)} of {len(seeds)}", *cells]))
    return lines


def differences(study: Study, scores: SplitScores, columns: Mapping[str, str]) -> list[str]:
    """A pair of rows a line."""
    lines = _heading(["row", "against", "mIoU by seed", *columns.values()])
    for row, other in study.pairs:
        first = difference(scores, row, other, "miou")
        if not first.by_seed:
            continue
        cells = [_with_spread(difference(scores, row, other, key), "+") for key in columns]
        lines.append(_line([row, other, signs(first), *cells]))
    return lines


def _heading(cells: Sequence[str]) -> list[str]:
    return [_line(cells), "|" + "---|" * len(cells)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _with_spread(found: OverSeeds, sign: str = "") -> str:
    """The mean in percent, with its sign if that is ``"+"``, and how far the seeds are apart, if there are several."""
    if math.isnan(found.mean):
        return NOTHING
    spread = percent(found.spread, 2, absent="")
    return f"{100 * found.mean:{sign}.2f}" + (f" ± {spread}" if spread else "")


def _listed(items: Sequence[object]) -> str:
    return ", ".join(map(str, items))
