"""``gald predict``: segment pictures or find their objects; files, folders, patterns."""

from __future__ import annotations

import glob
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from gald.models.pretrained import STREETS, scale_for
from gald.support.errors import UserError
from gald.support.files import PICTURES

if TYPE_CHECKING:
    from torch import Tensor


def predict(
    pictures: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE ...")],
    checkpoint: Path | None = None,
    out: Path = Path("predictions"),
    tile: int | tuple[int, int] | None = None,
    overlap: float = 1 / 3,
    scales: tuple[float, ...] = (),
    flip: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    score: float | None = None,
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> None:
    """Segment pictures, or find their objects, with the network in the box or that of a checkpoint.

    A segmentation network gives OUT/labels/NAME.png in the data set's ids and OUT/overlays/NAME.jpg in its colours with
    a legend. A detector gives OUT/overlays/NAME.jpg with boxes, names, scores and masks, and OUT/objects.json in COCO's
    format. A picture that can't be read is named at the end, and the exit code is 1; the others are done.

    Args:
        pictures: files, folders (searched through), or patterns such as 'photos/*.jpg'.
        checkpoint: best.safetensors or last.pt of a run; if left out, the network in the box: streets by
            day, learned from data for research only.
        out: the folder for what is written.
        tile: side, or height and width, of sliding-window tiles, for pictures too large for the memory (segmentation
            only, as are overlap, scales and flip).
        overlap: of neighbouring tiles, 0 up to (not including) 1.
        scales: the picture is looked at enlarged and shrunk by these; probabilities are averaged. If left out, as it
            is; by the network in the box resized to 720 pixels on the longer side, but not above 1.5. The files
            keep the picture's size.
        flip: also look at the mirrored picture.
        score: objects at least this sure are drawn, 0 to 1 (0.5 if left out; for detectors only); objects.json holds
            the others, too.
        precision: of the network.
        accelerator: where it runs.
    """
    if score is not None and not 0 <= score <= 1:
        raise UserError(f"--score is {score}; it must lie between 0 and 1")
    found = find(pictures)  # before torch is there: what is missing is said at once

    import torch

    from gald.engine.tasks import build_task, load_model
    from gald.images.io import read_image
    from gald.support.device import create_fabric
    from gald.support.progress import track
    from gald.support.signals import stoppable

    fabric = create_fabric(accelerator, precision=precision)
    network, content = load_model(checkpoint or STREETS)
    task = build_task(content.config)
    network.to(fabric.device)
    predictor = partial(task.build_predictor, network, tile=tile, overlap=overlap, flip=flip)
    predictor(scales=scales or (1.0,))  # a view that can't be is refused before the first picture

    def predict_one(image: Tensor) -> Any:
        fitting = 1.0 if checkpoint else scale_for(*image.shape[1:])
        with torch.inference_mode(), fabric.autocast():
            return predictor(scales=scales or (fitting,))(image.to(fabric.device))

    files = task.build_writer(content.labels, out, score)
    broken: list[str] = []
    done = 0
    with stoppable() as stop:
        for name, path in track(found.items(), "predict", len(found)):
            try:
                image = read_image(path)
                prediction = predict_one(image)
            except UserError as error:
                broken.append(f"{path}: {error}" if str(path) not in str(error) else str(error))
            else:
                files.add(name, path.suffix, image, prediction)
                done += 1
            if stop():
                break
    where = files.close()
    print(f"{done} of {len(found)} pictures done" + (f": {where}" if done else ""))
    if done + len(broken) < len(found):
        raise SystemExit(130)
    if broken:
        print("\n".join([f"{len(broken)} could not be read:", *broken]), file=sys.stderr)
        raise SystemExit(1)


def find(pictures: tuple[str, ...]) -> dict[str, Path]:
    """Name (without ending; with its folders, below a folder that was given) to file, for all that was asked for.

    Raises `UserError` for a folder or pattern without pictures, for two files of one name, and where not one of
    the files exists; if one does, the others are named at the end.
    """
    found: dict[str, Path] = {}
    for given in pictures:
        for name, path in _expand(given):
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


def _expand(given: str) -> list[tuple[str, Path]]:
    path = Path(given)
    if path.is_dir():
        files = sorted(
            each for each in path.rglob("*") if each.suffix.lower() in PICTURES and not each.name.startswith(".")
        )
        if not files:
            raise UserError(f"{path} holds no pictures (looked for {', '.join(PICTURES)})")
        return [(each.relative_to(path).with_suffix("").as_posix(), each) for each in files]
    if not path.exists() and any(sign in given for sign in "*?["):
        matches = sorted(Path(each) for each in glob.glob(given, recursive=True))  # noqa: PTH207  # a pattern may be absolute
        if not matches:
            raise UserError(f"no file matches {given!r}")
        return [(each.stem, each) for each in matches if each.is_file()]
    return [(path.stem, path)]  # there or not: find says it
