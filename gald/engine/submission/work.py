"""The folder of a submission in the making: finished label maps, and the settings that they were made with."""

import json
import struct
from collections.abc import Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from gald.config.difference import changed
from gald.data.segmentation import SegmentationDataset
from gald.images.io import read_label
from gald.support.errors import UserError
from gald.support.files import write_json

DIGESTS = ("checkpoint", "pictures")  # their two values would tell nobody anything


def places(out: Path, name: str) -> tuple[Path, Path]:
    """The archive and its work folder: ``X.zip`` and ``X.work``, or ``OUT/NAME.zip`` and ``OUT/NAME.work``."""
    archive = out if out.suffix.lower() == ".zip" else out / f"{name}.zip"
    return archive, archive.with_suffix(".work")


def settings_of(checkpoint: Path, pairs: SegmentationDataset, **others: Any) -> dict[str, Any]:
    """What decides every label map: the checkpoint's bytes, which pictures, and how they are looked at."""
    with checkpoint.open("rb") as file:
        weights = file_digest(file, "sha256").hexdigest()
    # names and sizes, not the folder: data that was moved is the same data
    pictures = [[pair.name, pair.image.stat().st_size] for pair in pairs.files]
    digest = sha256(json.dumps(pictures).encode()).hexdigest()
    return json.loads(json.dumps({"checkpoint": weights, "pictures": digest, **others}))  # type: ignore[no-any-return]


def begin(archive: Path, work: Path, settings: dict[str, Any]) -> None:
    """Begin a work folder, or go on with one of the same settings; another's is refused, so is another's archive."""
    file = work / "settings.json"
    if not file.is_file():
        strange = next((path for path in (archive, *work.glob("*.png")) if path.exists()), None)
        if strange is not None:
            raise UserError(f"{strange} is there already, and no {file} says how it was made: choose another --out")
        write_json(file, settings)
        return
    different = changed(_read(file), settings)
    if different:
        said = "; ".join(f"other {one.name}" if one.name in DIGESTS else str(one) for one in different)
        raise UserError(
            f"{work} was begun with other settings ({said}): use the same, choose another --out, or remove that folder"
        )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {file} ({error}): remove that folder, or choose another --out") from None
    return content if isinstance(content, dict) else {}


def fault(file: Path, size: tuple[int, int], allowed: frozenset[int]) -> str | None:
    """Why a file is not the finished label map of a picture of ``size`` (height, width), or None if it is."""
    try:
        values = read_label(file)
    except UserError as error:
        return str(error)
    rows, columns = values.shape
    if (rows, columns) != size:
        return f"{file} is {columns}x{rows} but its picture is {size[1]}x{size[0]}"
    if not _checksums_hold(file):
        return f"{file} is damaged: its checksums are wrong, or its end is missing"
    wrong = sorted(ids_in(values) - allowed)
    if wrong:
        y, x = (values == wrong[0]).nonzero()[0].tolist()
        return f"{file} has the value {wrong[0]} at (x, y) = ({x}, {y}), which is no class of the server"
    return None


def _checksums_hold(file: Path) -> bool:
    """Decoding passes over a PNG's checksums and a missing end; the server's decoder may not."""
    try:
        with Image.open(file) as picture:
            picture.verify()
    except (OSError, SyntaxError, ValueError, struct.error):
        return False
    return True


def ids_in(values: UInt8[Tensor, "h w"]) -> set[int]:
    """The values of a label map."""
    return set(torch.bincount(values.flatten(), minlength=256).nonzero().flatten().tolist())


def sizes(maps: Sequence[tuple[int, int]]) -> str:
    """Sizes (height, width) in words: ``2048x1024``, or ``300x200 to 683x512`` by number of pixels."""
    first, last = (min(maps, key=lambda size: size[0] * size[1]), max(maps, key=lambda size: size[0] * size[1]))
    names = [f"{width}x{height}" for height, width in (first, last)]
    return names[0] if len({*maps}) == 1 else " to ".join(names)
