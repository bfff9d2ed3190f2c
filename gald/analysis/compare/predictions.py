"""What is compared: whatever gives a label map for a picture, a network or a folder of predictions."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from gald.data.files import find_files
from gald.data.labels import IGNORE
from gald.data.segmentation import SegmentationDataset
from gald.engine.checkpoint import Checkpoint
from gald.engine.scoring.folder import label_maps, prediction_files
from gald.engine.tasks.segmentation import SegmentationTask
from gald.images.io import read_label
from gald.models.segmenter import Segmenter


@dataclass(frozen=True)
class Predictions:
    """A or B.

    ``label_map`` takes the number of a picture and the picture, uint8 (3, H, W), and gives its train ids (H, W) as
    integers on the CPU; the number of classes stands for "no class". It may be asked for a picture twice.
    """

    title: str
    label_map: Callable[[int, Tensor], Tensor]
    facts: Mapping[str, str] = field(default_factory=dict)
    """What is known of it, for the head of the report."""
    notes: tuple[str, ...] = ()
    """Sentences that the reader should see."""


@dataclass(frozen=True)
class Model:
    """A checkpoint and the network that it holds."""

    path: Path
    network: Segmenter
    task: SegmentationTask
    content: Checkpoint


def model_predictions(model: Model, title: str, fabric: Fabric) -> Predictions:
    """What a network sees in a picture."""
    predict = model.task.build_predictor(model.network.to(fabric.device))

    def label_map(index: int, image: Tensor) -> Tensor:
        with torch.inference_mode(), fabric.autocast():
            return predict(image.to(fabric.device)).cpu()

    config, block = model.task.config, model.task.config.model
    parameters = sum(parameter.numel() for parameter in model.network.parameters())
    parts = {"ga": f"ga {block.ga}", "ld": f"ld {block.ld}"}
    facts = {
        "network": f"{block.backbone}, {parameters / 1e6:.2f} M parameters",
        "block": parts.get(block.order, f"ga {block.ga}, ld {block.ld}, {block.order}"),
        "trained": f"{model.content.step} steps on {config.data.name}, seed {config.seed}",
        "sha256": hashlib.sha256(model.path.read_bytes()).hexdigest()[:16],
    }
    return Predictions(title, label_map, facts)


def folder_predictions(folder: Path, dataset: SegmentationDataset, title: str) -> Predictions:
    """A folder of label maps in the data set's own ids; every file is checked before any work begins.

    Raises:
        UserError: see `gald.engine.scoring.folder.label_maps`.
    """
    for _, file, prediction, _ in label_maps(folder, dataset, f"check {title}"):
        dataset.to_train_ids(prediction, file)  # names a value that is no class
    found = prediction_files(folder, dataset)

    def label_map(index: int, image: Tensor) -> Tensor:
        file = found[dataset.name(index)]
        labels = dataset.to_train_ids(read_label(file), file).long()
        return labels.masked_fill(labels == IGNORE, len(dataset.labels))

    extra = sorted(set(find_files(folder, "**/*.png")) - set(found.values()))
    notes = [f"{len(extra)} PNG files in {title} are of no picture here: left out, as {extra[0].name}"] if extra else []
    return Predictions(title, label_map, {"label maps": str(len(found))}, tuple(notes))
