"""From a checkpoint to an archive that was checked; what an earlier run has finished is used again."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from gald.config.inference import RuntimeConfig, ViewConfig
from gald.data.labels import Label, label_ids
from gald.data.segmentation import SegmentationDataset
from gald.engine.checkpoint import check_classes
from gald.engine.submission import find_server
from gald.engine.submission.server import LabelMapFile, Server
from gald.engine.submission.work import begin, fault, places, settings_of
from gald.engine.tasks import load_segmenter
from gald.images.io import write_label
from gald.support.device import create_fabric
from gald.support.errors import UserError, lookup
from gald.support.files import check_writable, write_whole
from gald.support.progress import track
from gald.support.signals import stop_on_signals


@dataclass(frozen=True)
class Submission:
    """A finished archive: for which server, of which label maps, with which of its classes' ids in it."""

    server: Server
    archive: Path
    maps: Sequence[LabelMapFile]
    classes: tuple[Label, ...]
    seen: set[int]


def submit(
    benchmark: str, checkpoint: Path, root: Path, out: Path, *, split: str | None, views: ViewConfig,
    runtime: RuntimeConfig,
) -> Submission:  # fmt: skip
    """Predict a split of a benchmark and write its archive; Ctrl-C stops it between two pictures (exit code 130).

    What can't be is refused before the work, an ``out`` that can't be written last.
    """
    server = find_server(benchmark)
    split = split or server.splits[0]
    lookup(dict.fromkeys(server.splits), split, f"split for {benchmark}")
    fabric = create_fabric(runtime.accelerator, precision=runtime.precision)
    network, task, content = load_segmenter(checkpoint)
    pairs = server.pairs(root, split)
    check_classes(content, pairs.labels, checkpoint)
    predict = task.build_predictor(network.to(fabric.device), views)  # refuses a view that can't be
    archive, work = places(out, f"{benchmark}-{split}")
    check_writable(archive)
    settings = settings_of(
        checkpoint, pairs, benchmark=benchmark, split=split, **vars(views), precision=runtime.precision
    )
    begin(archive, work, settings)

    classes = server.classes(pairs.labels)
    with stop_on_signals() as stop:
        maps = predict_label_maps(classes, pairs, work, _train_ids(predict, fabric), stop)
        if len(maps) < len(pairs):
            print("gald: stopped; the same command goes on from here", file=sys.stderr)
            raise SystemExit(130)
        seen = write_archive(server, archive, maps, split, classes)
    return Submission(server, archive, maps, classes, seen)


def _train_ids(predict: Callable[[Tensor], Tensor], fabric: Fabric) -> Callable[[Tensor], Tensor]:
    """The function from a picture, uint8 (3, H, W) RGB, to its train ids (H, W), on the CPU."""

    def train_ids(image: Tensor) -> Tensor:
        try:
            with torch.inference_mode(), fabric.autocast():
                return predict(image.to(fabric.device)).cpu()
        except torch.OutOfMemoryError:
            size = "x".join(map(str, image.shape[:0:-1]))
            raise UserError(f"a picture of {size} does not fit into the memory; give --tile SIDE") from None

    return train_ids


def predict_label_maps(
    classes: Sequence[Label],
    pairs: SegmentationDataset,
    work: Path,
    train_ids: Callable[[Tensor], Tensor],
    stop: Callable[[], bool],
) -> list[LabelMapFile]:
    """Every picture's label map in the work folder, in the ids of the server's ``classes``; fewer, if it was stopped.

    Args:
        classes: the server's class for each train id.
        pairs: the pictures; labels are not read.
        work: the folder; what is there and sound stays, the rest is predicted.
        train_ids: from a picture to its train ids.
        stop: whether somebody wishes so.
    """
    to_id = label_ids(classes)
    done = _finished(classes, pairs, work)
    left = [i for i in range(len(pairs)) if pairs.name(i) not in done]
    for i in track(left, "predict", len(left)):
        if stop():
            break
        name = pairs.name(i)
        labels = to_id[train_ids(pairs.image(i)).long()]
        write_label(labels, work / f"{name}.png")
        done[name] = LabelMapFile(name, work / f"{name}.png", (labels.shape[0], labels.shape[1]))
    return [done[pairs.name(i)] for i in range(len(pairs)) if pairs.name(i) in done]


def _finished(classes: Sequence[Label], pairs: SegmentationDataset, work: Path) -> dict[str, LabelMapFile]:
    """The label maps of an earlier run by name, each compared with its picture; the faulty are named on the screen."""
    allowed = frozenset(label.id for label in classes)
    found = [i for i in range(len(pairs)) if (work / f"{pairs.name(i)}.png").exists()]
    done: dict[str, LabelMapFile] = {}
    for i in track(found, "look at what is done", len(found)):
        image, name = pairs.image(i), pairs.name(i)
        earlier = LabelMapFile(name, work / f"{name}.png", (image.shape[1], image.shape[2]))
        wrong = fault(earlier.file, earlier.size, allowed)
        if wrong is None:
            done[name] = earlier
        else:
            print(f"predicted again: {wrong}", file=sys.stderr)
    if found:
        print(f"{len(done)} of {len(pairs)} pictures were done before", file=sys.stderr)
    return done


def write_archive(
    server: Server, archive: Path, maps: Sequence[LabelMapFile], split: str, classes: Sequence[Label]
) -> set[int]:
    """Write the archive and check it; one that was not checked to its end doesn't stay. Returns the ids in it."""
    write_whole(archive, server.pack(maps, split))
    try:
        return server.check(archive, maps, split, frozenset(label.id for label in classes))
    except BaseException:
        archive.unlink(missing_ok=True)
        raise
