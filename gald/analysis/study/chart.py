"""study.svg: every paired difference of a study as dots, one a seed, with the interval of their mean."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from html import escape

from gald.analysis.study.differences import Difference, SplitScores, difference
from gald.analysis.study.study import Study
from gald.images.svg import circle, line, style, text
from gald.metrics.bands import INTERIOR

LINE, NAMES, PANEL, GAP, HEAD, FOOT = 22.0, 216.0, 132.0, 16.0, 44.0, 62.0  # units of the drawing
COLUMNS = {
    "miou": "mIoU",
    "boundary_iou": "Boundary IoU",
    "boundary_f/3px": "F 3 px",
    "iou_small": "small objects",
    "band_iou/3px": "within 3 px",
    f"band_iou/{INTERIOR}": INTERIOR,
}
LEGEND = (
    "ring: a seed; disc: their mean; bar: where 95 % of it lies when the pictures are drawn again;",
    "coloured: two seeds or more, all on one side of 0, and the bar too; "
    "arrow: it goes on beyond the axis; a number: the mean, where it is out there",
)
USUAL = 2.0  # An axis reaches this many times as far as the median pair needs: a few bad rows don't press all together.
STYLE = """
text { font: 12px system-ui, sans-serif; fill: $ink; } .soft { fill: $soft; } .paper { fill: $paper; }
.grid { stroke: $line; } .zero { stroke: $soft; } .span { stroke-width: 2.5; } .seed { stroke-width: 1.4; }
.gain { stroke: $a; fill: $a; } .loss { stroke: $b; fill: $b; } .open { stroke: #7d8288; fill: #7d8288; }
.far { stroke: $paper; stroke-width: 4; paint-order: stroke; } .seed.gain, .seed.loss, .seed.open { fill: none; }
"""


def comparable(study: Study, scores: SplitScores) -> list[tuple[str, str]]:
    """The pairs of rows that share a seed by now."""
    return [pair for pair in study.pairs if difference(scores, *pair, "miou").by_seed]


def chart(study: Study, scores: SplitScores, columns: Mapping[str, str], what: str) -> str:
    """The drawing as SVG, light and dark by itself; ``""`` as long as no two rows of a pair share a seed.

    A line is a pair of rows, a panel a number of ``columns`` (its key, and in words), in points. A ring is a seed, the
    disc their mean, the bar its interval; colour says that it leaves out 0 and that all seeds, two or more, agree. What
    few pairs need is cut off, with an arrow.
    """
    pairs = comparable(study, scores)
    if not pairs:
        return ""
    width = NAMES + len(columns) * (PANEL + GAP)
    height = HEAD + len(pairs) * LINE + FOOT
    parts = [f'<rect class="paper" width="{width:g}" height="{height:g}"/>', text(8.0, 18.0, what, "start")]
    for number, (row, other) in enumerate(pairs):
        if number and other != pairs[number - 1][1]:  # held against another row from here on
            top = HEAD + number * LINE
            parts.append(line(8.0, top, width - GAP, top, "grid"))
        parts.append(text(NAMES - 10, _middle(number) + 4, f"{row} − {other}", "end"))  # noqa: RUF001  # a minus sign
    for number, (key, title) in enumerate(columns.items()):
        left = NAMES + number * (PANEL + GAP)
        parts += _panel(left, title, [difference(scores, *pair, key) for pair in pairs])
    parts += [text(8.0, height - 26 + 16 * number, words, "start", "soft") for number, words in enumerate(LEGEND)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">'
    return "".join([head, f"<style>{style(STYLE)}</style><title>{escape(what)}</title>", *parts, "</svg>\n"])


def _panel(left: float, title: str, numbers: Sequence[Difference]) -> list[str]:
    """One number of all pairs on an axis of its own, with 0 in the middle."""
    reach = _reach(numbers)
    bottom = HEAD + len(numbers) * LINE

    def x(share: float) -> float:
        return left + PANEL / 2 * (1 + share)

    parts = [text(left + PANEL / 2, HEAD - 8, title, "middle")]
    for share, anchor in ((-1.0, "start"), (0.0, "middle"), (1.0, "end")):  # the ends inside, off the next panel's
        at = x(share)
        parts += [line(at, HEAD, at, bottom, "grid" if share else "zero")]
        parts += [text(at, bottom + 15, f"{share * reach:+g}" if share else "0", anchor, "soft")]
    for number, found in enumerate(numbers):
        parts += _one(found, _middle(number), x, reach) if found.by_seed else []
    return parts


def _reach(numbers: Sequence[Difference]) -> float:
    """How far the axis goes, in points."""
    ends = [[*found.by_seed.values(), found.low, found.high] for found in numbers if found.by_seed]
    needed = [100 * max(abs(value) for value in values if not math.isnan(value)) for values in ends]
    return _round_up(min(max(needed), USUAL * statistics.median(needed)) if needed else 0.0)


def _one(found: Difference, y: float, x: Callable[[float], float], reach: float) -> list[str]:
    """A bar, a ring a seed, a disc, as far as the axis reaches (in points); ``x`` takes shares of that, -1 to 1."""
    seeds = [100 * value / reach for value in found.by_seed.values()]
    mean, low, high = (100 * value / reach for value in (found.mean, found.low, found.high))
    kind = _kind(found)
    left, right = max(low, -1.0), min(high, 1.0)  # of the bar; no number where there is none
    parts = [line(x(left), y, x(right), y, f"span {kind}")] if left < right else []
    parts += [circle(x(value), y, 3.5, f"seed {kind}") for value in seeds if abs(value) <= 1]
    ends = {math.copysign(1.0, value) for value in (*seeds, mean, low, high) if abs(value) > 1}
    parts += [_arrow(x(end), y, end, kind) for end in sorted(ends)]
    if abs(mean) <= 1:
        return [*parts, circle(x(mean), y, 3.0, kind)]
    side = math.copysign(1.0, mean)
    return [*parts, text(x(side) - 10 * side, y + 4, f"{100 * found.mean:+.1f}", "end" if side > 0 else "start", "far")]


def _kind(found: Difference) -> str:
    """Whether it is sure, and which way it goes: open, gain or loss."""
    agreed = len(found.by_seed) > 1 and len(found.by_seed) in (found.above, found.below)
    if not agreed or math.isnan(found.low) or found.low <= 0 <= found.high:
        return "open"
    return "gain" if found.mean > 0 else "loss"


def _middle(number: int) -> float:
    return HEAD + (number + 0.5) * LINE


def _round_up(value: float) -> float:
    """The next of 0.5, 1, 2, 5, ... points."""
    return next(step for step in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0) if step >= value)


def _arrow(x: float, y: float, sign: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{x:.1f} {y:.1f} l{-6 * sign:g} -4 v8 z"/>'
