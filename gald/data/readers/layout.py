"""Finding the files of a published layout; what is missing is named with its place and where it is to be had."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gald.support.errors import UserError

Files = dict[str, Path]


def unpacked(root: Path, *names: str) -> Path:
    """``root``, or the folder in it that an archive unpacks to; raises where ``root`` is no folder."""
    if not root.is_dir():
        raise UserError(f"the data folder {root} {'is a file' if root.exists() else 'does not exist'}")
    return next((root / name for name in names if (root / name).is_dir()), root)


def part(root: Path, places: Sequence[str], source: str) -> Path:
    """The first of several places below ``root`` that exists; ``source`` tells how to get what is missing."""
    found = next((root / place for place in places if (root / place).exists()), None)
    if found is None:
        raise UserError(f"{root} has no {' and no '.join(places)}: {source}")
    return found


def listed(file: Path, image: Callable[[str], Path], label: Callable[[str], Path]) -> tuple[Files, Files]:
    """Pictures and label maps of the names in a list, one a line; a name that has neither raises."""
    names = [line.split()[0] for line in file.read_text().splitlines() if line.strip()]
    if not names:
        raise UserError(f"{file} lists no pictures")
    images = {name: image(name) for name in names if image(name).is_file()}
    labels = {name: label(name) for name in names if label(name).is_file()}
    lost = next((name for name in names if name not in images and name not in labels), None)
    if lost is not None:
        raise UserError(
            f"{file} names {lost}, but neither {image(lost)} nor {label(lost)} exists: was the archive unpacked whole?"
        )
    return images, labels
