"""One PNG a picture in one zip without folders: what Cityscapes' and ADE20K's servers take.

Cityscapes, pixel-level semantic labelling: label ids (7 road ... 33 bicycle), not train ids. The official script takes
``CITY_SEQUENCE_FRAME*.png`` for a picture, exactly one, anywhere in the archive (cityscapesScripts,
evalPixelLevelSemanticLabeling.py), and refuses another size than the picture's.

ADE20K, the scene parsing challenge: 1 to 150, called like the pictures. From the challenge's development kit
(github.com/CSAILVision/sceneparsing): for ``ADE_test_00000001.jpg`` upload ``ADE_test_00000001.png``. 0 is "other
objects", which is never scored and so never predicted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError

from gald.data.datasets.ade20k import ade20k
from gald.data.datasets.cityscapes import cityscapes
from gald.engine.submission.server import LabelMapFile, Server
from gald.engine.submission.work import fault, ids_in
from gald.images.io import read_label
from gald.support.errors import UserError
from gald.support.progress import track

AGAIN = "run the same command again"


def pack(maps: Sequence[LabelMapFile], split: str, *, ending: str) -> bytes:
    """The archive; a member is called like its picture, with ``ending``."""
    content = BytesIO()
    with ZipFile(content, "w", ZIP_STORED) as archive:  # a PNG is compressed already
        for label_map in track(maps, "pack", len(maps)):
            archive.writestr(member(label_map.name + ending), label_map.file.read_bytes())
    return content.getvalue()


def member(name: str) -> ZipInfo:
    """A member without the time of day, so that the same maps give the same archive."""
    return ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def check(archive: Path, maps: Sequence[LabelMapFile], split: str, allowed: frozenset[int], *, ending: str) -> set[int]:
    """Every picture is there and none besides, each as its map, which has the picture's size and the server's ids."""
    seen: set[int] = set()
    with opened(archive) as content:
        check_names(archive, content.namelist(), [label_map.name + ending for label_map in maps])
        for label_map in track(maps, "check", len(maps)):
            name, file = label_map.name + ending, label_map.file
            wrong = fault(file, label_map.size, allowed)
            if wrong or content.read(name) != file.read_bytes():
                raise UserError(f"{archive}: {wrong or f'{name} is not {file}'}; {AGAIN}")
            seen |= ids_in(read_label(file))
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


CITYSCAPES = Server(
    splits=("test", "val"),
    pairs=cityscapes,
    classes=tuple,  # the data set's own ids are the server's
    pack=partial(pack, ending="_pred_labelIds.png"),
    check=partial(check, ending="_pred_labelIds.png"),
    page="https://www.cityscapes-dataset.com/submit/",
    limit=100,
)
ADE20K = Server(
    splits=("test", "val"),
    pairs=ade20k,
    classes=tuple,
    pack=partial(pack, ending=".png"),
    check=partial(check, ending=".png"),
    page="http://sceneparsing.csail.mit.edu/eval/",
)
