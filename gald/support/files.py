"""Which files are pictures; files are written whole or not at all; numbers as JSON."""

import json
import math
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gald.support.errors import UserError

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm")  # endings of what is read as a picture


def write_whole(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` in one step; on a full disk or a read-only folder what was there stays.

    Written beside the target, flushed to the disk, renamed. Raises `UserError` with the path and the reason.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:  # Ctrl-C and a full memory leave nothing behind either
        with suppress(OSError):  # the folder itself may be a file, or gone: the first error says so
            temporary.unlink()
        if not isinstance(error, OSError):
            raise
        kept = "; the file that was there is untouched" if path.is_file() else ""
        raise UserError(f"cannot write {path}: {error.strerror or error}{kept}") from None


def write_json(path: Path, content: Mapping[str, Any], indent: int = 2) -> None:
    """Replace ``path`` by ``content`` as JSON, as `write_whole` does; see `json_text`."""
    write_whole(path, json_text(content, indent).encode())


def json_text(content: Mapping[str, Any], indent: int | None = None) -> str:
    """``content`` as JSON, with null for a number that is not finite (the score of an absent class): JSON has none."""
    return json.dumps(_finite(content), indent=indent)


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def check_file(path: Path, what: str) -> None:
    """Raise `UserError` where there is no file at ``path``; ``what`` it would be, in the user's words."""
    if not path.is_file():
        raise UserError(f"no {what} at {path}")


def check_writable(path: Path) -> None:
    """Raise `UserError` now where ``write_whole(path, ...)`` would after the work; leaves nothing behind."""
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    _probe(path.parent, path)


def check_writable_folder(folder: Path) -> None:
    """Raise `UserError` now where no file could be written into ``folder``, or it not be made; nothing is made."""
    _probe(folder, folder)


def _probe(folder: Path, path: Path) -> None:
    """Write a file into the folder, or into what it would be made in, and remove it; a mistake names ``path``."""
    try:
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        probe = there / f".{path.name}.{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
