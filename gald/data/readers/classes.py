"""A user's table of classes: ``classes.txt``, ``classes.csv`` or ``classes.json`` beside the pictures.

Text: one class a line, ``[id] name [red green blue]`` (``0 road 128 64 128``, ``0 road``, ``road 128 64 128`` or
``road``; names may hold spaces). Without ids, classes count from 0 in order. ``ignore 255`` names a value that is not
trained on, ``ignore 0 0 0`` a colour. Empty lines and ``#`` comments are skipped.
CSV: the same with commas, and a header without digits may stand first (``name,r,g,b``).
JSON: a list of names or of ``{"id": 0, "name": "road", "color": [128, 64, 128]}`` (only the name is needed), or that
list as ``"classes"`` of an object that may also hold ``"ignore": [255]``.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gald.data.labels import IGNORE, UNLISTED, ClassEntry, Label, number_labels, parse_entry
from gald.images.io import Color
from gald.support.errors import UserError

FILES = ("classes.txt", "classes.csv", "classes.json")


@dataclass(frozen=True)
class Classes:
    """``colored`` says whether the file gave every class a colour, so that colour masks can be read."""

    labels: tuple[Label, ...]
    ignored: tuple[int, ...]
    ignored_colors: tuple[Color, ...]
    colored: bool


def find_classes(root: Path) -> Path | None:
    """The class table in a folder, if it holds one."""
    return next((root / name for name in FILES if (root / name).is_file()), None)


def read_classes(file: Path) -> Classes:
    """Read a class table; a line that cannot be meant raises `UserError` with its place."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}") from None
    entries, ignores = _json(text, file) if file.suffix == ".json" else _lines(text, file)
    values = tuple(ignore[0] for ignore in ignores if len(ignore) == 1)
    colors = tuple((ignore[0], ignore[1], ignore[2]) for ignore in ignores if len(ignore) == 3)
    labels = _labels(entries, file)
    ids = {label.id for label in labels}
    if both := ids.intersection(values):
        raise UserError(f"{file} says to ignore the value {min(both)}, which is also a class")
    if IGNORE not in ids:
        values = tuple(dict.fromkeys((*values, IGNORE)))
    elif colors and not values:  # 255 is a class (0/255 masks), yet ignored colours need some value
        values = (min(set(range(256)) - ids),)
    return Classes(labels, values, colors, all(entry.color is not None for entry in entries))


def _lines(text: str, file: Path) -> tuple[list[ClassEntry], list[list[int]]]:
    entries: list[ClassEntry] = []
    ignores: list[list[int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{file} line {number}"
        words = (line.replace(",", " ") if file.suffix == ".csv" else line).split("#")[0].split()
        if not words or (number == 1 and file.suffix == ".csv" and not any(map(_is_number, words))):
            continue
        if words[0] == "ignore" and len(words) in (2, 4) and all(map(_is_number, words[1:])):
            ignores.append([_byte(word, where) for word in words[1:]])
        else:
            entries.append(_checked(parse_entry(words), where))
    return entries, ignores


def _json(text: str, file: Path) -> tuple[list[ClassEntry], list[list[int]]]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{file} is not JSON: {error}") from None
    listed, ignore = (content.get("classes"), content.get("ignore", [])) if isinstance(content, dict) else (content, [])
    if not isinstance(listed, list) or not isinstance(ignore, list):
        raise UserError(f"{file} should hold a list of classes, or an object with the lists 'classes' and 'ignore'")
    entries = [_from_json(entry, f"{file} class {number}") for number, entry in enumerate(listed)]
    return entries, [[_byte(value, str(file)) for value in (v if isinstance(v, list) else [v])] for v in ignore]


def _from_json(entry: Any, where: str) -> ClassEntry:
    entry = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise UserError(f"{where} should be a name or an object with 'name' (and 'id', 'color'), it is {entry!r}")
    color = entry.get("color")
    if color is not None and not (isinstance(color, list) and len(color) == 3):
        raise UserError(f"{where}: 'color' should be [red, green, blue], it is {color!r}")
    return _checked(ClassEntry(entry["name"], entry.get("id"), tuple(color) if color else None), where)


def _checked(entry: ClassEntry, where: str) -> ClassEntry:
    red, green, blue = (_byte(value, where) for value in entry.color or (0, 0, 0))
    number = None if entry.id is None else _byte(entry.id, where)
    return ClassEntry(entry.name, number, (red, green, blue) if entry.color else None)


def _is_number(word: str) -> bool:
    return word.removeprefix("-").isdecimal()


def _byte(value: Any, where: str) -> int:
    number = int(value) if isinstance(value, int) or (isinstance(value, str) and _is_number(value)) else -1
    if not 0 <= number <= 255:
        raise UserError(f"{where}: {value!r} should be a whole number from 0 to 255")
    return number


def _labels(entries: list[ClassEntry], file: Path) -> tuple[Label, ...]:
    if not 1 <= len(entries) < UNLISTED:
        raise UserError(f"{file} lists {len(entries)} classes, it should be 1 to {UNLISTED - 1}")
    if len({entry.id is None for entry in entries}) > 1:
        raise UserError(f"{file} gives some classes an id and some none: give all of them one, or none")
    labels = number_labels(entries)
    colors = [entry.color for entry in entries if entry.color]
    names = [entry.name for entry in entries]
    for what, values in (("id", [label.id for label in labels]), ("name", names), ("colour", colors)):
        value, times = Counter(values).most_common(1)[0] if values else (None, 1)
        if times > 1:
            raise UserError(f"{file} gives the {what} {value} to {times} classes")
    return labels
