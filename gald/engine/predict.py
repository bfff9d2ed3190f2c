"""Predicting pictures into a folder: one that can't be read stops nothing."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gald.config.inference import RuntimeConfig, ViewConfig
from gald.engine.tasks import build_task, load_model
from gald.engine.tasks.task import PredictionWriter
from gald.images.io import read_image
from gald.models.pretrained import STREETS, scale_for
from gald.support.device import create_fabric
from gald.support.errors import UserError
from gald.support.progress import track
from gald.support.signals import stop_on_signals


@dataclass(frozen=True)
class Predicted:
    """What came of it: how many pictures are done, where it lies in words, and why the others could not be read."""

    done: int
    where: str
    unread: tuple[str, ...]


def predict_pictures(
    pictures: Mapping[str, Path],
    checkpoint: Path | None,
    out: Path,
    *,
    views: ViewConfig,
    runtime: RuntimeConfig,
    score: float | None = None,
) -> Predicted:
    """Predict pictures (by name) with the network of a checkpoint, or that in the box; Ctrl-C ends it between two.

    Files of the same names are written over, others in ``out`` stay as they are; how many of each is said on the
    screen in the end. Nothing is written before a picture was predicted.

    Args:
        pictures: name, as the files in ``out`` will be called, to picture.
        checkpoint: None takes the network in the box.
        out: the folder for what is written.
        views: how they are looked at; without scales, by the network in the box as large as it has learned.
        runtime: where the network runs.
        score: objects at least this sure are drawn.
    """
    fabric = create_fabric(runtime.accelerator, precision=runtime.precision)
    network, content = load_model(checkpoint or STREETS)
    task = build_task(content.config)
    network.to(fabric.device)

    def predictor(scales: tuple[float, ...]) -> Callable[[Tensor], Any]:
        return task.build_predictor(network, replace(views, scales=scales))

    predictor(views.scales or (1.0,))  # refuses a view that can't be
    writer = task.build_writer(content.labels, out, score)
    earlier, written = _predictions(out, writer), set[Path]()
    done, unread = 0, []
    with stop_on_signals() as stop:
        for name, path in track(pictures.items(), "predict", len(pictures)):
            try:
                image = read_image(path)
                fitting = 1.0 if checkpoint else scale_for(*image.shape[1:])
                with torch.inference_mode(), fabric.autocast():
                    prediction = predictor(views.scales or (fitting,))(image.to(fabric.device))
            except UserError as error:
                unread.append(f"{path}: {error}" if str(path) not in str(error) else str(error))
            else:
                writer.add(name, path.suffix, image, prediction)
                written |= {out / file for file in writer.files(name)}
                done += 1
            if stop():
                break
    where = writer.close() if done else ""
    if done:
        _tell_of_earlier(out, earlier, written)
    return Predicted(done, where, tuple(unread))


def _predictions(out: Path, writer: PredictionWriter[Any]) -> set[Path]:
    """The files that lie where the writer writes; what else is in ``out`` is the user's own."""
    return {file for pattern in writer.files("**/*") for file in out.glob(pattern) if file.is_file()}


def _tell_of_earlier(out: Path, earlier: set[Path], written: set[Path]) -> None:
    """Say what became of the predictions that lay in ``out`` before."""
    if earlier:
        over = len(earlier & written)
        print(
            f"{out} held {len(earlier)} files of earlier predictions: {over} were written over, "
            f"{len(earlier) - over} stay",
            file=sys.stderr,
        )
