"""Which pictures a user means: files, folders that are searched through, patterns. Needs no torch."""

import glob
from collections.abc import Sequence
from pathlib import Path

from gald.support.errors import UserError
from gald.support.files import PICTURES


def find_pictures(asked: Sequence[str]) -> dict[str, Path]:
    """Name (without ending; with its folders, below a folder that was asked for) to file, for all that was asked for.

    Raises `UserError` for a folder or pattern without pictures, for two files of one name, and where not one of
    the files exists; if one does, it is the caller's to name the others.
    """
    found: dict[str, Path] = {}
    for name, path in (pair for text in asked for pair in _expand(text)):
        if name in found and found[name] != path:
            raise UserError(
                f"{found[name]} and {path} would both be written as {name!r}; segment them into two folders"
            )
        found[name] = path
    if not found:
        raise UserError("no pictures given: name files, folders or patterns such as 'photos/*.jpg'")
    if not any(path.exists() for path in found.values()):
        first, others = [str(path) for path in found.values()][:3], len(found) - 3
        raise UserError(f"there is no file {', '.join(first)}" + (f" (nor {others} others)" if others > 0 else ""))
    return found


def _expand(text: str) -> list[tuple[str, Path]]:
    path = Path(text)
    if path.is_dir():
        files = sorted(
            file for file in path.rglob("*") if file.suffix.lower() in PICTURES and not file.name.startswith(".")
        )
        if not files:
            raise UserError(f"{path} holds no pictures (looked for {', '.join(PICTURES)})")
        return [(file.relative_to(path).with_suffix("").as_posix(), file) for file in files]
    if not path.exists() and any(sign in text for sign in "*?["):
        matches = sorted(Path(match) for match in glob.glob(text, recursive=True))  # noqa: PTH207  # a pattern may be absolute
        if not matches:
            raise UserError(f"no file matches {text!r}")
        return [(match.stem, match) for match in matches if match.is_file()]
    return [(path.stem, path)]  # there or not: find_pictures says it
