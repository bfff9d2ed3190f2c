"""A user's table of classes: ``classes.txt``, ``classes.csv`` or ``classes.json`` beside the pictures.

Text: one class a line, ``[id] name [red green blue]`` (``0 road 128 64 128``, ``0 road``, ``road 128 64 128`` or
``road``; names may hold spaces). Without ids, classes count from 0 in order. ``ignore 255`` names a value that is not
trained on, ``ignore 0 0 0`` a colour. Empty lines and ``#`` comments are skipped.
CSV: the same with commas, and a header without digits may stand first (``name,r,g,b``).
JSON: a list of names or of ``{"id": 0, "name": "road", "color": [128, 64, 128]}`` (only the name is needed), or that
list as ``"classes"`` of an object that may also hold ``"ignore": [255]``.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gald.data.labels import IGNORE, UNLISTED, Label
from gald.images.io import Color, distinct_color
from gald.support.errors import UserError

FILES = ("classes.txt", "classes.csv", "classes.json")


@dataclass(frozen=True)
class Classes:
    """``colored`` says whether the file gave every class a colour, so that colour masks can be read."""

    labels: tuple[Label, ...]
    ignored: tuple[int, ...]
    ignored_colors: tuple[Color, ...]
    colored: bool


@dataclass(frozen=True)
class _Row:
    name: str
    id: int | None
    color: Color | None


def find_classes(root: Path) -> Path | None:
    """The class table in a folder, if it holds one."""
    return next((root / name for name in FILES if (root / name).is_file()), None)


def read_classes(file: Path) -> Classes:
    """Read a class table; a line that cannot be meant raises `UserError` with its place."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}") from None
    rows, ignores = _json(text, file) if file.suffix == ".json" else _lines(text, file)
    values = tuple(ignore[0] for ignore in ignores if len(ignore) == 1)
    colors = tuple((ignore[0], ignore[1], ignore[2]) for ignore in ignores if len(ignore) == 3)
    labels = _labels(rows, file)
    ids = {label.id for label in labels}
    if both := ids.intersection(values):
        raise UserError(f"{file} says to ignore the value {min(both)}, which is also a class")
    if IGNORE not in ids:
        values = tuple(dict.fromkeys((*values, IGNORE)))
    elif colors and not values:  # 255 is a class (0/255 masks), yet ignored colours need some value
        values = (min(set(range(256)) - ids),)
    return Classes(labels, values, colors, all(row.color is not None for row in rows))


def _lines(text: str, file: Path) -> tuple[list[_Row], list[list[int]]]:
    rows: list[_Row] = []
    ignores: list[list[int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{file} line {number}"
        words = (line.replace(",", " ") if file.suffix == ".csv" else line).split("#")[0].split()
        if not words or (number == 1 and file.suffix == ".csv" and not any(map(_number, words))):
            continue
        if words[0] == "ignore" and len(words) in (2, 4) and all(map(_number, words[1:])):
            ignores.append([_byte(word, where) for word in words[1:]])
        else:
            rows.append(_row(words, where))
    return rows, ignores


def _row(words: list[str], where: str) -> _Row:
    first = _byte(words[0], where) if len(words) > 1 and _number(words[0]) else None
    rest = words if first is None else words[1:]
    colored = len(rest) > 3 and all(map(_number, rest[-3:]))
    name = " ".join(rest[:-3] if colored else rest)
    red, green, blue = (_byte(word, where) for word in rest[-3:]) if colored else (0, 0, 0)
    return _Row(name, first, (red, green, blue) if colored else None)


def _number(word: str) -> bool:
    return word.removeprefix("-").isdecimal()


def _byte(value: Any, where: str) -> int:
    number = int(value) if isinstance(value, int) or (isinstance(value, str) and _number(value)) else -1
    if not 0 <= number <= 255:
        raise UserError(f"{where}: {value!r} should be a whole number from 0 to 255")
    return number


def _json(text: str, file: Path) -> tuple[list[_Row], list[list[int]]]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{file} is not JSON: {error}") from None
    listed, ignore = (content.get("classes"), content.get("ignore", [])) if isinstance(content, dict) else (content, [])
    if not isinstance(listed, list) or not isinstance(ignore, list):
        raise UserError(f"{file} should hold a list of classes, or an object with the lists 'classes' and 'ignore'")
    rows = [_entry(entry, f"{file} class {number}") for number, entry in enumerate(listed)]
    return rows, [[_byte(value, str(file)) for value in (v if isinstance(v, list) else [v])] for v in ignore]


def _entry(entry: Any, where: str) -> _Row:
    entry = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise UserError(f"{where} should be a name or an object with 'name' (and 'id', 'color'), it is {entry!r}")
    color = entry.get("color")
    if color is not None and not (isinstance(color, list) and len(color) == 3):
        raise UserError(f"{where}: 'color' should be [red, green, blue], it is {color!r}")
    red, green, blue = (_byte(value, where) for value in color or (0, 0, 0))
    return _Row(
        entry["name"], _byte(entry["id"], where) if "id" in entry else None, (red, green, blue) if color else None
    )


def _labels(rows: list[_Row], file: Path) -> tuple[Label, ...]:
    if not 1 <= len(rows) < UNLISTED:
        raise UserError(f"{file} lists {len(rows)} classes, it should be 1 to {UNLISTED - 1}")
    if len({row.id is None for row in rows}) > 1:
        raise UserError(f"{file} gives some classes an id and some none: give all of them one, or none")
    ids = [number if row.id is None else row.id for number, row in enumerate(rows)]
    for what, values in (
        ("id", ids),
        ("name", [row.name for row in rows]),
        ("colour", [row.color for row in rows if row.color]),
    ):
        value, times = Counter(values).most_common(1)[0] if values else (None, 1)
        if times > 1:
            raise UserError(f"{file} gives the {what} {value} to {times} classes")
    return tuple(Label(row.name, row.color or distinct_color(number), ids[number]) for number, row in enumerate(rows))
