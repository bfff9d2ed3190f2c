"""From the settings of a run to what is trained: its data, its network, and the trainer of both."""

import inspect
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from timm.layers.norm_act import convert_sync_batchnorm
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gald.block import ORDERS
from gald.block.aggregation import AGGREGATORS
from gald.block.depthwise import train_depthwise_fast
from gald.block.distribution import DISTRIBUTORS
from gald.config.network import DetectorConfig, NetworkConfig
from gald.config.settings import RunConfig
from gald.data.labels import Label, check_same_classes
from gald.engine import checkpoint
from gald.engine.checkpoint import Checkpoint
from gald.engine.optim import build_optimizer
from gald.engine.tasks.task import ComputeLoss, DatasetT, PredictionT, SampleT, Task
from gald.engine.train import Trainer, batch_norms
from gald.support.device import create_fabric, keep_freed_memory
from gald.support.distributed import on_all_ranks
from gald.support.errors import Mistakes, UserError, lookup
from gald.support.files import check_file


def training_fabric(settings: RunConfig) -> Fabric:
    """Where the run takes place, not started yet."""
    # The running statistics are averaged when they are needed, not overwritten by rank 0's before every forward.
    known = inspect.signature(DistributedDataParallel).parameters
    local: dict[str, Any] = {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}
    strategy: Any = DDPStrategy(**local) if settings.devices * settings.nodes > 1 else "auto"
    return create_fabric(settings.accelerator, settings.devices, settings.nodes, settings.precision, strategy)


def check_parts(model: NetworkConfig) -> None:
    """Raise `UserError` for names of the block's parts that there are not, before a network is built."""
    mistakes = Mistakes()
    mistakes.attempt(partial(lookup, ORDERS, model.order, "order"))
    if model.order != "ld":
        mistakes.attempt(partial(lookup, AGGREGATORS, model.ga, "global aggregation"))
    if model.order != "ga":
        mistakes.attempt(partial(lookup, DISTRIBUTORS, model.ld, "local distribution"))
    mistakes.tell()


def check_beginning(settings: RunConfig) -> None:
    """Raise `UserError` where a file is missing that the network's initial weights are read from."""
    model, mistakes = settings.model, Mistakes()
    if settings.init is not None:
        checkpoint.check_there(settings.init)
        return  # it has all weights: the other files are not read
    if model.weights is not None:
        mistakes.attempt(partial(check_file, model.weights, "backbone weights"))
    if isinstance(model, DetectorConfig) and model.torchvision is not None:
        mistakes.attempt(partial(check_file, model.torchvision, "weights of torchvision's detector"))
    mistakes.tell()


def open_datasets(task: Task[DatasetT, SampleT, PredictionT], settings: RunConfig) -> tuple[DatasetT, DatasetT]:
    """The training and the validation split; both must be labelled, with the same classes."""
    data = settings.data
    train, val = task.build_dataset(data.train_split), task.build_dataset(data.val_split)
    for split, dataset in ((data.train_split, train), (data.val_split, val)):
        if not dataset.labelled:
            raise UserError(f"{data.name}'s split {split!r} has no labels, to train or to validate on")
    one, other = (f"{data.name}'s split {split!r}" for split in (data.train_split, data.val_split))
    check_same_classes(train.labels, val.labels, one, other, "train and validate on the same classes")
    return train, val


def build_network(
    task: Task[DatasetT, SampleT, PredictionT],
    settings: RunConfig,
    labels: Sequence[Label],
    fabric: Fabric,
    saved: Checkpoint | None,
) -> nn.Module:
    """The network to train; its initial weights follow from the seed, or from what was saved."""
    torch.manual_seed(settings.seed)
    # a run that goes on has all its weights: what it began from may be gone by now
    begin = saved or (checkpoint.load(settings.init) if settings.init else None)
    network = task.build_model(len(labels), initial_weights=begin is None)
    if begin is not None:
        source = Path("last.pt") if saved else settings.init or Path()
        checkpoint.check_classes(begin, labels, source)
        checkpoint.load_weights(network, begin.weights, str(source))
    if settings.channels_last:
        network = network.to(memory_format=torch.channels_last)
    if fabric.device.type == "cpu":
        keep_freed_memory()
        if settings.precision == "bf16-mixed" and not settings.compile:  # in float32 nothing is gained
            train_depthwise_fast(network)
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        # torch's own would drop the activations inside timm's norms
        network = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    if settings.frozen_norm:
        for norm in batch_norms(network):
            norm.requires_grad_(False)
    return network


def build_trainer(
    task: Task[DatasetT, SampleT, PredictionT],
    settings: RunConfig,
    folder: Path,
    fabric: Fabric,
    *,
    saved: Checkpoint | None = None,
    datasets: tuple[DatasetT, DatasetT] | None = None,
) -> Trainer[DatasetT, SampleT, PredictionT]:
    """The trainer as it begins, or goes on from what was saved; nothing is written yet."""

    def build() -> tuple[DatasetT, DatasetT, nn.Module, ComputeLoss[SampleT]]:
        train, val = datasets or open_datasets(task, settings)
        network = build_network(task, settings, train.labels, fabric, saved)
        return train, val, network, task.build_loss(train, show_progress=fabric.is_global_zero)

    train, val, network, compute_loss = on_all_ranks(fabric, build)
    optimizer = build_optimizer(network, settings.optim, task.backbone_prefix)
    if settings.compile:
        network = torch.compile(network)  # type: ignore[assignment]  # a module all the same
    model, optimizer = fabric.setup(network, optimizer)
    trainer = Trainer(settings, folder, fabric, task, train, val, model, optimizer, compute_loss)
    trainer.train_mode()
    if saved is not None and saved.optimizer is not None:
        optimizer.load_state_dict(saved.optimizer)
        trainer.step, trainer.best = saved.step, saved.best
    return trainer
