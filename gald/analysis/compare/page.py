"""The report: one HTML file with everything in it, no script, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from gald.analysis.compare import charts
from gald.analysis.compare.gallery import BOTH, NEITHER, ONLY_A, ONLY_B, UNLABELLED, Shown
from gald.analysis.compare.result import Comparison
from gald.analysis.compare.sides import Side
from gald.analysis.compare.style import STYLE
from gald.analysis.compare.tables import A_AND_B, numbers_table, table
from gald.analysis.compare.words import agreement, caution, drawn, points, verdict
from gald.analysis.statistics import LEVEL, RESAMPLES, SEED, Estimate
from gald.data.labels import Label
from gald.metrics.size import SIZES
from gald.support.tables import percent

MAIN = {
    "miou": "mIoU",
    "pixel_accuracy": "pixel accuracy",
    "boundary_iou": "Boundary IoU",
    "boundary_f/3px": "boundary F, 3 px",
    "iou_small": "IoU of small objects",
    "iou_medium": "IoU of medium objects",
    "iou_large": "IoU of large objects",
}
BANDS = ("1px", "3px", "5px", "9px", "15px", "interior")
RARE = 0.02  # a class with less of the pixels is marked


@dataclass(frozen=True)
class About:
    """What the head and the foot of a report say beside the numbers."""

    a: Side
    b: Side
    facts: Mapping[str, str]
    """The data set, the split and the like."""
    labels: Sequence[Label]
    command: str
    versions: str
    differences: Sequence[tuple[str, str, str]] = ()
    """Settings that A's run and B's differ in: name, A's, B's."""


def report(result: Comparison, about: About, gained: Sequence[Shown], lost: Sequence[Shown]) -> str:
    """The whole page."""
    title = f"{about.a.title} and {about.b.title}, compared"
    sections = [
        _head(result, about),
        _main(result),
        _classes(result, about.labels),
        _bands(result),
        _sizes(result),
        _pictures(gained, lost, about.labels),
        _foot(result, about),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def _head(result: Comparison, about: About) -> str:
    sides = "".join(
        f'<div class="side {letter}"><span class="name-{letter}">{letter.upper()}: {escape(side.title)}</span>'
        f"{_facts(side.facts)}</div>"
        for letter, side in (("a", about.a), ("b", about.b))
    )
    notes = "".join(f"<p>{escape(note)}.</p>" for note in (*about.a.notes, *about.b.notes))
    settings = ""
    if about.differences:
        rows = [[f"<td>{escape(each)}</td>" for each in row] for row in about.differences]
        settings = f"<h3>Settings that differ</h3>{table(['setting', *A_AND_B], rows)}"
    data = ", ".join(f"{escape(key)} {escape(value)}" for key, value in about.facts.items())
    return f'<h1>Two segmentations compared</h1><div class="sides">{sides}</div><p>{data}</p>{notes}{settings}'


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts.items())
    return f"<dl>{rows}</dl>" if rows else ""


def _main(result: Comparison) -> str:
    numbers = {title: result.numbers[key] for key, title in MAIN.items()}
    said = [] if result.same else [verdict(result.numbers[key], MAIN[key]) for key in ("miou", "boundary_iou")]
    words = "".join(f"<p>{escape(each)}</p>" for each in (*said, caution(result)))
    return (
        f'<h2>The numbers</h2>{numbers_table("percent", numbers)}<div class="verdict">{words}</div>'
        f"<p>{escape(agreement(result))}</p>"
        '<p class="soft">The last column draws the difference: the dot is B &minus; A, the line its interval, the thin '
        "line 0; right of it B is better. Grey where the interval contains 0.</p>"
    )


def _classes(result: Comparison, labels: Sequence[Label]) -> str:
    names = sorted((label.name for label in labels), key=lambda name: result.share[f"iou/{name}"])
    share = {name: result.share[f"iou/{name}"] for name in names}
    shown = {name: percent(value, 2) for name, value in share.items()}
    rare = {name for name, value in share.items() if value < RARE}
    rows = numbers_table("class", {name: result.numbers[f"iou/{name}"] for name in names}, shown, rare)
    return f"<h2>Each class</h2><p>IoU, the rarest class first; rare: under {100 * RARE:g} % of the pixels.</p>{rows}"


def _bands(result: Comparison) -> str:
    titles = {name: f"within {name[:-2]} px" if name.endswith("px") else name for name in BANDS}
    numbers = {title: result.numbers[f"band_iou/{name}"] for name, title in titles.items()}
    share = {title: percent(result.share[f"band_iou/{name}"]) for name, title in titles.items()}
    right = {title: result.numbers[f"band_accuracy/{name}"] for name, title in titles.items()}
    short = [name.replace("px", " px") for name in BANDS]
    curves = _curve("IoU, mean over classes", short, numbers) + _curve("Share of pixels that are right", short, right)
    return (
        "<h2>By distance to a boundary</h2><p>Only pixels within so many pixels of a true boundary are counted, and "
        f'last those farther than 15.</p><div class="charts">{curves}</div>'
        f"<h3>IoU, mean over classes</h3>{numbers_table('pixels', numbers, share)}"
        f"<h3>Share of pixels that are right</h3>{numbers_table('pixels', right)}"
    )


def _curve(what: str, titles: Sequence[str], numbers: Mapping[str, Estimate]) -> str:
    a, b = ([getattr(each, side) for each in numbers.values()] for side in "ab")
    return f"<figure>{charts.curve(titles, a, b, what)}<figcaption>{what}, percent; {_KEY}</figcaption></figure>"


_KEY = '<span class="name-a">A discs</span>, <span class="name-b">B squares</span>'


def _sizes(result: Comparison) -> str:
    numbers = {name: result.numbers[f"iou_{name}"] for name in SIZES}
    a, b = ([getattr(each, side) for each in numbers.values()] for side in "ab")
    key = '<span class="name-a">A left</span>, <span class="name-b">B right</span>'
    return (
        "<h2>By size of the object</h2><p>An object is a connected area of one class: small under 32&times;32 pixels "
        f"of area, large from 96&times;96.</p><figure>{charts.bars(SIZES, a, b, 'IoU by size of the object')}"
        f"<figcaption>IoU, mean over classes, percent; {key}</figcaption></figure>{numbers_table('objects', numbers)}"
    )


def _pictures(gained: Sequence[Shown], lost: Sequence[Shown], labels: Sequence[Label]) -> str:
    maps = {"both right": BOTH, "only A right": ONLY_A, "only B right": ONLY_B,
            "neither": NEITHER, "not labelled": UNLABELLED}  # fmt: skip
    return (
        "<h2>Pictures that gained and lost most</h2><p>By the share of pixels that are right within 5 px of a true "
        "boundary: B&rsquo;s less A&rsquo;s; of neighbours in a video only one. These are the extremes, not typical "
        "pictures.</p>"
        f"{_key({label.name: label.color for label in labels} | {'no class': (0, 0, 0)})}{_key(maps)}"
        f"<h3>B gained most</h3>{_rows(gained)}<h3>B lost most</h3>{_rows(lost)}"
    )


def _key(colors: Mapping[str, tuple[int, int, int]]) -> str:
    items = (f'<span><i style="background:rgb{color}"></i>{escape(name)}</span>' for name, color in colors.items())
    return f'<div class="key">{"".join(items)}</div>'


def _rows(pictures: Sequence[Shown]) -> str:
    return "".join(map(_row, pictures)) or "<p>None.</p>"


def _row(picture: Shown) -> str:
    titles = {
        "picture": picture.photo,
        "truth": picture.truth,
        "A": picture.a,
        "B": picture.b,
        "who is right": picture.map,
    }
    name = escape(picture.name, quote=True)
    figures = "".join(
        f'<figure><img src="{uri}" alt="{name}: {title}"><figcaption>{title}</figcaption></figure>'
        for title, uri in titles.items()
    )
    return f'<p><strong>{name}</strong>: {points(picture.gain)} points</p><div class="row">{figures}</div>'


def _foot(result: Comparison, about: About) -> str:
    rules = (
        "Counts are summed over the pictures before any ratio is taken. A class that does not occur is n/a and stands "
        "in no mean.",
        "Boundary IoU: the pixels within 2 % of the diagonal of their class's edge (Cheng et al., CVPR 2021). "
        "Boundary F: contour pixels met within 3 px (Csurka et al., BMVC 2013).",
        "Within d px of a boundary: a pixel of another class lies at most d rows and d columns away, in the truth.",
        f"Intervals: paired bootstrap (percentiles, {100 * LEVEL:g} %) of {RESAMPLES} resamples, seed {SEED}. Drawn "
        f"with replacement were {drawn(result)}; each time all counts were summed and all ratios taken again, for A "
        "and B on the same pictures.",
    )
    said = "".join(f"<p>{escape(rule)}</p>" for rule in rules)
    return (
        f'<h2>How it was made</h2><pre>{escape(about.command)}</pre>{said}<p class="soft">{escape(about.versions)}</p>'
    )
