"""``gald compare A B``: two checkpoints or folders of predictions on the same pictures, as one page to read."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from gald.cli.options import SegmentationChoice
from gald.config import difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightning_fabric import Fabric
    from torch import Tensor, nn

    from gald.analysis.compare import About, Comparison, Shown, Side
    from gald.data.segmentation import SegmentationDataset
    from gald.engine.checkpoint import Checkpoint
    from gald.engine.tasks.segmentation import SegmentationTask


@dataclass(frozen=True)
class Given:
    """What the user named: a checkpoint with its network, or, without them, a folder of predictions."""

    path: Path
    title: str
    network: nn.Module | None = None
    task: SegmentationTask | None = None
    content: Checkpoint | None = None


def compare(
    a: Annotated[Positional[Path], arg(metavar="A")],
    b: Annotated[Positional[Path], arg(metavar="B")],
    data: SegmentationChoice = SegmentationChoice(),
    split: str | None = None,
    out: Path = Path("report.html"),
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> None:
    """Compare two segmentations of the same pictures: is B better than A, where, and on which pictures?

    Writes a page (HTML, everything in it) with the numbers of both, intervals of their differences, curves by distance
    to a boundary and by size, and the pictures that gained and lost most; the numbers as JSON beside it.

    Args:
        a: best.safetensors or last.pt of a run, or a folder of label maps (PNG, in the data set's own ids, as gald
            predict writes them into labels/).
        b: the other; differences are B - A.
        data: the data set.
        split: which part of it; if left out, the first checkpoint's validation split, or val for two folders.
        out: the page; its name ends in .html.
        precision: of the networks.
        accelerator: where they run.
    """
    import gald
    from gald.analysis.compare import About, check_labels, gallery, report
    from gald.analysis.compare import compare as measured
    from gald.data.sampling import TransformedDataset
    from gald.data.transforms import segmentation as transforms
    from gald.support.device import create_fabric, describe_device
    from gald.support.errors import UserError
    from gald.support.files import check_writable, write_json, write_whole

    if out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--out is {out}; its name must end in .html (the numbers go into .json beside it)")
    numbers = out.with_suffix(".json")
    for path in (out, numbers):
        check_writable(path)
    fabric = create_fabric(accelerator, precision=precision)
    given = [opened(path, title) for path, title in zip((a, b), titles(a, b), strict=True)]
    name, split, pairs = pairs_of(data, split, given)
    check_labels(pairs)
    sides = [side_of(each, pairs, fabric) for each in given]
    for note in [note for side in sides for note in side.notes]:
        print(f"gald: {note}", file=sys.stderr)

    sample = TransformedDataset(pairs, transforms.evaluate()).__getitem__
    result = measured(pairs, sample, sides[0], sides[1], name)
    show(result, f"{name} {split}, {len(pairs)} pictures; A is {sides[0].title}, B is {sides[1].title}")
    gained, lost = gallery(result, sample, sides, [label.color for label in pairs.labels])
    about = About(
        a=sides[0],
        b=sides[1],
        facts={"data": name, "split": split, "pictures": str(len(pairs)), "classes": str(len(pairs.labels))},
        labels=pairs.labels,
        command=command(a, b, {"data.name": data.name, "data.root": data.root, "split": split, "out": out}, precision),
        versions=f"gald {gald.__version__}, {describe_device(fabric.device)}, networks in {precision}",
        differences=differences(given),
    )
    write_whole(out, report(result, about, gained, lost).encode())
    write_json(numbers, as_json(result, about, gained, lost), indent=1)
    print(f"page: {out} ({out.stat().st_size / 1e6:.2f} MB)\nnumbers: {numbers}")


def titles(a: Path, b: Path) -> tuple[str, str]:
    """The last parts of both paths, two or as many as tell them apart."""
    parts = [path.resolve().parts[1:] for path in (a, b)]
    for count in range(2, 1 + max(map(len, parts))):
        first, second = ("/".join(each[-count:]) for each in parts)
        if first != second:
            return first, second
    return "/".join(parts[0][-2:]), "/".join(parts[1][-2:])


def opened(path: Path, title: str) -> Given:
    """Load a checkpoint; a folder is opened later, when its pictures are known."""
    from gald.engine.tasks.segmentation import load_segmenter
    from gald.support.errors import UserError

    if (path / "best.safetensors").is_file():
        raise UserError(f"{path} is the folder of a run; give {path / 'best.safetensors'}")
    if not path.exists():
        raise UserError(f"{path} does not exist; give a checkpoint or a folder of label maps")
    return Given(path, title) if path.is_dir() else Given(path, title, *load_segmenter(path))


def pairs_of(
    where: SegmentationChoice, split: str | None, given: Sequence[Given]
) -> tuple[str, str, SegmentationDataset]:
    """Name, split and pairs; what the flags leave out is the first checkpoint's."""
    from gald.data import registry as datasets
    from gald.engine.checkpoint import check_classes
    from gald.engine.tasks.segmentation import SegmentationTask
    from gald.support.errors import UserError

    contents = [(each.content, each.path) for each in given if each.content is not None]
    tasks = [each.task for each in given if each.task is not None]
    if tasks:
        data = tasks[0].config.data
        data = replace(data, name=where.name or data.name, root=where.root or data.root)
        name, split = data.name, split or data.val_split
        pairs = SegmentationTask(replace(tasks[0].config, data=data)).build_dataset(split)
    elif where.name is None:
        raise UserError("two folders don't say what they are predictions of: give --data.name and --data.root")
    else:
        name, split = where.name, split or "val"
        pairs = datasets.load_segmentation(name, where.root, split)
    for content, path in contents:
        check_classes(content, pairs.labels, path)
    return name, split, pairs


def side_of(given: Given, pairs: SegmentationDataset, fabric: Fabric) -> Side:
    """What gives a label map for a picture."""
    import torch

    from gald.analysis.compare import Side, folder_side

    if given.network is None or given.task is None or given.content is None:
        return folder_side(given.path, pairs, given.title)
    predict = given.task.build_predictor(given.network.to(fabric.device))

    def label_map(index: int, image: Tensor) -> Tensor:
        with torch.inference_mode(), fabric.autocast():
            return predict(image.to(fabric.device)).cpu()

    return Side(given.title, label_map, facts(given.content, given.network, given.path))


def facts(content: Checkpoint, network: nn.Module, path: Path) -> dict[str, str]:
    """What is known of a checkpoint, in words."""
    import hashlib

    about = content.config.model
    parameters = sum(each.numel() for each in network.parameters())
    return {
        "network": f"{about.backbone}, {parameters / 1e6:.2f} M parameters",
        "block": {"ga": f"ga {about.ga}", "ld": f"ld {about.ld}"}.get(
            about.order, f"ga {about.ga}, ld {about.ld}, {about.order}"
        ),
        "trained": f"{content.step} steps on {content.config.data.name}, seed {content.config.seed}",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest()[:16],
    }


def differences(given: Sequence[Given]) -> list[tuple[str, str, str]]:
    """The settings that the runs of two checkpoints differ in: name, A's and B's."""
    runs = [each.content.config for each in given if each.content is not None]
    if len(runs) < 2:
        return []
    found = difference.differences(*runs, ignored=difference.OF_NO_NETWORK)
    return [(setting.name, str(setting.before), str(setting.now)) for setting in found]


def command(a: Path, b: Path, flags: dict[str, str | Path | None], precision: str) -> str:
    """The command that makes the report again, with the paths as they were given."""
    words = ["gald", "compare", str(a), str(b)]
    for name, value in (flags | {"precision": None if precision == "32-true" else precision}).items():
        words += [] if value is None else [f"--{name}", str(value)]
    return shlex.join(words)


def show(result: Comparison, title: str) -> None:
    """The main table, and what it means."""
    from rich.table import Table

    from gald.analysis.compare import MAIN
    from gald.analysis.compare.words import caution, interval, points, verdict
    from gald.support.tables import console, percent

    sheet = Table("percent", title=title)
    for heading in ("A", "B", "B - A", "95 % interval"):
        sheet.add_column(heading, justify="right")
    for key, name in MAIN.items():
        each = result.numbers[key]
        sheet.add_row(name, percent(each.a, 2), percent(each.b, 2), points(each.difference), interval(each))
    screen = console(120)
    screen.print(sheet)
    for line in ([] if result.same else [verdict(result.numbers["miou"], "mIoU")], [caution(result)]):
        screen.print(*line, markup=False, highlight=False)


def as_json(result: Comparison, about: About, gained: Sequence[Shown], lost: Sequence[Shown]) -> dict[str, Any]:
    """The numbers, and what they are of."""
    sides = {
        letter: {"title": side.title, **side.facts, "notes": list(side.notes)}
        for letter, side in (("a", about.a), ("b", about.b))
    }
    extremes = {"gained_most": [each.name for each in gained], "lost_most": [each.name for each in lost]}
    head = {"command": about.command, "versions": about.versions, **sides, **about.facts}
    settings = {name: {"a": a, "b": b} for name, a, b in about.differences}
    return {**head, "settings_that_differ": settings, **result.as_json(), **extremes}
