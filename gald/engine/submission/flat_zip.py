"""One PNG a picture in one zip without folders: what Cityscapes' and ADE20K's servers take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError

from gald.engine.submission.server import Map, Watch
from gald.engine.submission.work import fault, ids_in
from gald.images.io import read_label
from gald.support.errors import UserError

AGAIN = "run the same command again"


def pack(maps: Sequence[Map], split: str, watch: Watch, *, ending: str) -> bytes:
    """The archive; a member is called like its picture, with ``ending``."""
    content = BytesIO()
    with ZipFile(content, "w", ZIP_STORED) as archive:  # a PNG is compressed already
        for each in watch(maps, "pack"):
            archive.writestr(member(each.name + ending), each.file.read_bytes())
    return content.getvalue()


def member(name: str) -> ZipInfo:
    """A member without the time of day, so that the same maps give the same archive."""
    return ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def check(
    archive: Path, maps: Sequence[Map], split: str, allowed: frozenset[int], watch: Watch, *, ending: str
) -> set[int]:
    """Every picture is there and none besides, each as its map, which has the picture's size and the server's ids."""
    seen: set[int] = set()
    with opened(archive) as content:
        check_names(archive, content.namelist(), [each.name + ending for each in maps])
        for each in watch(maps, "check"):
            wrong = fault(each.file, each.size, allowed)
            if wrong or content.read(each.name + ending) != each.file.read_bytes():
                raise UserError(f"{archive}: {wrong or f'{each.name}{ending} is not {each.file}'}; {AGAIN}")
            seen |= ids_in(read_label(each.file))
    return seen


@contextmanager
def opened(archive: Path) -> Iterator[ZipFile]:
    """A zip file; that it is none, or that a member's checksum is wrong, is a `UserError`."""
    try:
        with ZipFile(archive) as content:
            yield content
    except (BadZipFile, ZlibError, EOFError, OSError) as error:
        raise UserError(f"{archive} is damaged ({error}); {AGAIN}") from None


def check_names(archive: Path, found: Sequence[str], wanted: Sequence[str]) -> None:
    """Each wanted name once and no other."""
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    if missing or extra or len(found) != len(wanted):
        name = next(iter([*missing, *extra]), "a name")
        how = "is missing" if missing else "is one too many" if extra else "stands there twice"
        raise UserError(f"{archive} holds {len(found)} files, and {len(wanted)} are wanted: {name} {how}; {AGAIN}")
