"""Small charts as SVG text. Colours come from the page's style sheet, so they follow light and dark."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from html import escape

from gald.analysis.statistics.bootstrap import Estimate
from gald.images.svg import circle, line, polyline, rectangle, text

WIDTH, HEIGHT = 460.0, 280.0  # units of the drawing; narrow, so that letters stay readable on a phone
LEFT, RIGHT, TOP, BOTTOM = 44.0, 26.0, 14.0, 44.0
INNER = WIDTH - LEFT - RIGHT


def curve(titles: Collection[str], numbers: Iterable[Estimate], what: str) -> str:
    """A line for A (discs) and for B (squares) in percent; the last title stands apart, behind a dotted line."""
    a, b = _both(numbers)
    place, lines = _scale([*a, *b])
    step = INNER / len(titles)
    x = [LEFT + step * (i + 0.5) for i in range(len(titles))]
    wall = x[-1] - step / 2
    parts = [*lines, line(wall, TOP, wall, HEIGHT - BOTTOM, "dotted"), *_titles(x, titles)]
    for name, values in (("a", a), ("b", b)):
        points = [(left, place(value)) for left, value in zip(x, values, strict=True) if value == value]
        parts += [polyline([point for point in points if point[0] < wall], f"stroke {name}")]
        parts += [_mark(name, left, y) for left, y in points]
    return _svg(parts, what)


def bars(titles: Collection[str], numbers: Iterable[Estimate], what: str) -> str:
    """Two bars for each title, A and B, with their percents above."""
    a, b = _both(numbers)
    place, lines = _scale([0.0, *a, *b])
    step = INNER / len(titles)
    parts = [*lines, *_titles([LEFT + step * (i + 0.5) for i in range(len(titles))], titles)]
    for i, pair in enumerate(zip(a, b, strict=True)):
        for name, value, shift in zip("ab", pair, (-0.36, 0.02), strict=True):
            if value == value:
                left, y = LEFT + step * (i + 0.5 + shift), place(value)
                parts.append(rectangle(left, y, 0.34 * step, HEIGHT - BOTTOM - y, f"fill {name}"))
                parts.append(text(left + 0.17 * step, y - 4, f"{100 * value:.1f}", "middle"))
    return _svg(parts, what)


def whisker(number: Estimate, reach: float) -> str:
    """The difference as a dot, its interval as a line, on an axis from ``-reach`` to ``reach`` with 0 in the middle."""
    if number.difference != number.difference:
        return ""

    def x(value: float) -> float:
        return 60 + 56 * max(-1.0, min(1.0, value / max(reach, 1e-9)))

    side = "none" if number.undecided else "b" if number.difference > 0 else "a"
    parts = [line(60.0, 0.0, 60.0, 18.0, "grid")]
    if number.low == number.low:
        parts.append(line(x(number.low), 9.0, x(number.high), 9.0, f"stroke {side}"))
    parts.append(circle(x(number.difference), 9.0, 4.0, f"fill {side}"))
    return f'<svg class="whisker" viewBox="0 0 120 18" aria-hidden="true">{"".join(parts)}</svg>'


def reach_of(numbers: Iterable[Estimate]) -> float:
    """The axis that several whiskers share: no end lies outside."""
    ends = [abs(value) for number in numbers for value in number[2:] if value == value]
    return max(ends, default=0.0)


def _both(numbers: Iterable[Estimate]) -> tuple[list[float], list[float]]:
    pairs = [(number.a, number.b) for number in numbers]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _scale(values: Sequence[float]) -> tuple[Callable[[float], float], list[str]]:
    """Where a value lies, and the grid of percents; the axis begins and ends on a line of it."""
    shown = [100 * value for value in values if value == value] or [0.0]
    step = next(step for step in (1, 2, 5, 10, 20, 25) if (max(shown) - min(shown)) / step <= 6 or step == 25)
    low, high = step * math.floor(min(shown) / step), step * math.ceil(max(shown) / step)
    high = max(high, low + step)

    def place(value: float) -> float:
        return HEIGHT - BOTTOM - (100 * value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    lines = []
    for percent in range(low, high + 1, step):
        y = place(percent / 100)
        lines += [line(LEFT, y, WIDTH - RIGHT, y, "grid"), text(LEFT - 8, y + 4, f"{percent}", "end")]
    return place, lines


def _titles(x: Sequence[float], titles: Iterable[str]) -> list[str]:
    return [text(left, HEIGHT - BOTTOM + 20, title, "middle") for left, title in zip(x, titles, strict=True)]


def _mark(name: str, x: float, y: float) -> str:
    return circle(x, y, 5.0, "fill a") if name == "a" else rectangle(x - 4.5, y - 4.5, 9.0, 9.0, "fill b")


def _svg(parts: Sequence[str], what: str) -> str:
    head = f'<svg class="chart" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(what, quote=True)}">'
    return "".join([head, *parts, "</svg>"])
