"""``gald predict``: segment pictures, folders of pictures, patterns."""

from __future__ import annotations

import glob
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from gald.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from gald.data.pairs import Label


def predict(
    pictures: Annotated[tuple[str, ...], tyro.conf.Positional],
    checkpoint: Path,
    out: Path = Path("predictions"),
    tile: tuple[int, int] | None = None,
    overlap: float = 1 / 3,
    scales: tuple[float, ...] = (1.0,),
    flip: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> None:
    """Segment pictures: OUT/labels/NAME.png in the data set's ids, OUT/overlays/NAME.jpg in its colours with a legend.

    A picture that can't be read is named at the end, and the exit code is 1; the others are done.

    Args:
        pictures: files, folders (searched through), or patterns such as 'photos/*.jpg'.
        checkpoint: best.safetensors or last.pt of a run.
        out: the folder for labels/ and overlays/.
        tile: height and width of sliding-window tiles, for pictures too large for the memory.
        overlap: of neighbouring tiles, 0 up to (not including) 1.
        scales: the picture is also looked at enlarged and shrunk by these; probabilities are averaged.
        flip: also look at the mirrored picture.
        precision: of the network.
        accelerator: where it runs.
    """
    import torch

    from gald import machine
    from gald.inference import compose
    from gald.progress import track
    from gald.tasks.segment import load_model

    found = find(pictures)
    fabric = machine.fabric(accelerator, precision=precision)
    network, content = load_model(checkpoint)
    segmenter = compose(network.to(fabric.device), tile=tile, overlap=overlap, scales=scales, flip=flip)

    def labels_of(image: Tensor) -> Tensor:
        with torch.inference_mode(), fabric.autocast():
            return segmenter(image[None].to(fabric.device)).argmax(1)[0].cpu()

    broken: list[str] = []
    for name, path in track(found.items(), "predict", len(found)):
        broken += segment_one(name, path, out, labels_of, content.labels)
    print(f"{len(found) - len(broken)} of {len(found)} pictures segmented: {out / 'labels'} and {out / 'overlays'}")
    if broken:
        print("\n".join([f"{len(broken)} could not be read:", *broken]), file=sys.stderr)
        raise SystemExit(1)


def segment_one(
    name: str, path: Path, out: Path, labels_of: Callable[[Tensor], Tensor], labels: tuple[Label, ...]
) -> list[str]:
    """Read, predict, write; return why the picture couldn't be read, if so. Failing to write ends the command."""
    from gald.data.pairs import ids_of
    from gald.pictures import overlay, read_image, write_image, write_label

    try:
        image = read_image(path)
    except UserError as error:
        return [str(error)]
    prediction = labels_of(image)
    colors = [label.color for label in labels]
    by_id = {label.id: label.color for label in labels}
    palette = [by_id.get(value, (0, 0, 0)) for value in range(256)]
    write_label(ids_of(labels)[prediction], out / "labels" / f"{name}.png", palette)
    write_image(overlay(image, prediction, colors, [label.name for label in labels]), out / "overlays" / f"{name}.jpg")
    return []


def find(pictures: tuple[str, ...]) -> dict[str, Path]:
    """Name (without ending; with its folders, below a folder that was given) to file, for all that was asked for."""
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
    return found


def _expand(given: str) -> list[tuple[str, Path]]:
    from gald.data.pairs import PICTURES

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
    return [(path.stem, path)]  # a missing file is named with the broken ones, and the rest goes on
