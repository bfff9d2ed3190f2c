"""Plug a block into a network that is trained already, train nothing else, and measure before, at the start and after.

    python examples/plug_into_trained.py --checkpoint best.safetensors --root data/camvid --ld mask --out runs/plug

The network stays as it is, its batch norms included; only the block that ``gald.plug`` puts behind ``--at`` learns, on
the data, losses and crops of the network's own run. Writes OUT/plug.json (settings, the scores of all three moments)
and OUT/block.safetensors (the block's weights alone: after the same ``gald.plug`` they load with ``strict=False``).
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import safetensors.torch
import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader

import gald
from gald.data.sampling import positions
from gald.engine.evaluate import measure
from gald.engine.tasks import load_segmenter
from gald.engine.tasks.segmentation import SegmentationTask
from gald.models.plug import Plug
from gald.support.device import create_fabric, describe_device
from gald.support.files import check_writable, write_whole
from gald.support.progress import Bar

SHOWN = ("miou", "boundary_iou", "boundary_f/3px", "iou_small", "iou_medium", "iou_large")


@dataclass
class Settings:
    """What to plug in, where, and how long it trains."""

    checkpoint: Path
    """best.safetensors of the trained network."""
    root: Path
    """The data set's folder."""
    out: Path
    """Where the numbers and the block's weights go."""
    at: str = "block"
    """The submodule that the block follows."""
    ga: str = "none"
    ld: str = "mask"
    order: str = "ga-ld"
    steps: int = 300
    batch: int = 8
    lr: float = 0.003
    """Of Adam, whose steps move a gate by about this much."""
    splits: tuple[str, ...] = ("val", "test")
    seed: int = 0


def main(settings: Settings) -> None:
    """Measure, plug in, measure, train, measure."""
    check_writable(settings.out / "plug.json")
    network, task, _ = load_segmenter(settings.checkpoint)
    task = placed(task, settings)
    scores = {"before": measured(network, task, settings)}
    torch.manual_seed(settings.seed)
    gald.plug(network, settings.at, settings.ga, settings.ld, settings.order)
    scores["plugged in"] = measured(network, task, settings)
    train(network, task, settings)
    scores["trained"] = measured(network, task, settings)
    show(scores, settings)
    keep(network, scores, settings)


def measured(network: nn.Module, task: SegmentationTask, settings: Settings) -> dict[str, dict[str, float]]:
    """Every score of each split, on whole pictures."""
    fabric = create_fabric("cpu")
    network.eval()
    scores = {}
    for split in settings.splits:
        pairs = task.build_dataset(split)
        metrics = task.build_metrics(pairs, complete=True)
        scores[split] = measure(task, task.build_predictor(network), pairs, metrics, fabric, workers=1, what=split)
    return scores


def placed(task: SegmentationTask, settings: Settings) -> SegmentationTask:
    """The task of the network's run, with the data where they lie now and the seed of here."""
    data = replace(task.config.data, root=settings.root)
    return SegmentationTask(replace(task.config, data=data, seed=settings.seed, channels_last=True))


def train(network: nn.Module, task: SegmentationTask, settings: Settings) -> None:
    """AdamW on the block alone, the poly schedule, the losses and augmentation of the network's run.

    Not SGD: a gate's gradient is small, and at rates that the block bears it hardly leaves zero.
    """
    pairs = task.build_dataset(task.config.data.train_split)
    compute_loss = task.build_loss(pairs)
    network.eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, Plug):
            module.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(gald.plugged_parameters(network), lr=settings.lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, settings.steps, power=0.9)
    sampler = positions(0, settings.steps, settings.batch, 0, 1, settings.batch)
    samples = task.training_samples(pairs)
    loader = DataLoader(samples, batch_sampler=sampler, num_workers=1, collate_fn=list)  # type: ignore[arg-type]
    with Bar("train the block", settings.steps, unit="images", per_step=settings.batch) as bar:
        for batch in loader:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = compute_loss(network, batch)["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.advance(f"loss {loss.item():.3f}")


def show(scores: dict[str, dict[str, dict[str, float]]], settings: Settings) -> None:
    """A table for each split: the means, and the IoU of each class."""
    for split in settings.splits:
        table = Table(title=f"{split}, percent")
        table.add_column("")
        for moment in scores:
            table.add_column(moment, justify="right")
        for key in (*SHOWN, *sorted(key for key in scores["before"][split] if key.startswith("iou/"))):
            table.add_row(key, *(f"{100 * each[split][key]:.2f}" for each in scores.values()))
        Console(width=100).print(table)


def keep(network: nn.Module, scores: dict[str, dict[str, dict[str, float]]], settings: Settings) -> None:
    """The numbers as JSON, the block's weights as safetensors."""
    plain = {
        moment: {
            split: {key: None if math.isnan(value) else value for key, value in numbers.items()}
            for split, numbers in splits.items()
        }
        for moment, splits in scores.items()
    }
    about = {"machine": describe_device(torch.device("cpu")), "settings": asdict(settings)}
    write_whole(settings.out / "plug.json", json.dumps({**about, "scores": plain}, indent=1, default=str).encode())
    block = {name: value.contiguous() for name, value in network.state_dict().items() if ".gald." in name}
    write_whole(settings.out / "block.safetensors", safetensors.torch.save(block))
    print(f"numbers and weights: {settings.out}")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
