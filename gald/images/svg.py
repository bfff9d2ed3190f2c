"""Drawings as SVG text: lines, marks and words, coloured by class names that a style sheet fills, light and dark."""

from collections.abc import Iterable
from html import escape
from string import Template

# name -> colour in light and in dark; a and b are blue and orange, which people who see red and green alike tell apart
COLORS = {
    "paper": ("#fdfdfc", "#16181a"),
    "ink": ("#1d1f21", "#e9e9e6"),
    "soft": ("#5d6268", "#a3a8ad"),
    "line": ("#dcdcd8", "#35393d"),
    "box": ("#f3f3f0", "#1f2225"),
    "a": ("#0072b2", "#56b4e9"),
    "b": ("#b35a00", "#f0a640"),
}


def style(rules: str) -> str:
    """Rules in which ``$ink`` and the like stand for `COLORS`, once for light and once for a reader who has it dark."""
    themes = ({name: pair[i] for name, pair in COLORS.items()} for i in (0, 1))
    light, dark = (Template(rules).substitute(theme) for theme in themes)
    return f"{light}@media (prefers-color-scheme: dark) {{{dark}}}\n"


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """From one point to another."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def circle(x: float, y: float, radius: float, kind: str) -> str:
    """A disc or a ring, as its class says."""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'


def rectangle(x: float, y: float, width: float, height: float, kind: str) -> str:
    """With its left upper corner at (x, y)."""
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def polyline(points: Iterable[tuple[float, float]], kind: str) -> str:
    """Straight from point to point."""
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{joined}"/>'


def text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    """Words whose start, middle or end is at (x, y)."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
