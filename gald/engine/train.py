"""The training loop, on Lightning Fabric: the same screen for one CPU process and for many machines.

Everything random is a function of the seed and the step (which pictures, how they are augmented, dropout, learning
rate), so a run that was killed and resumed ends bit for bit where it would have ended.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.wrappers import _FabricModule
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from gald.block.depthwise import train_depthwise_fast
from gald.config.settings import RunConfig
from gald.data.labels import check_same_classes
from gald.data.sampling import mix, positions, share
from gald.engine import checkpoint
from gald.engine.evaluate import measure
from gald.engine.run_folder import Log, check_folder, check_resumable, claimed
from gald.engine.tasks import build_task
from gald.engine.tasks.task import ComputeLoss, DatasetT, PredictionT, SampleT, Task
from gald.support.device import create_fabric, describe_device, keep_freed_memory, peak_memory
from gald.support.distributed import everyone, first_alone, launched, together
from gald.support.errors import UserError
from gald.support.progress import Bar
from gald.support.signals import leave_signals_to_the_parent, stoppable


@dataclass
class Run(Generic[DatasetT, SampleT, PredictionT]):
    """A run in progress: what a checkpoint must hold, and the tools of the loop."""

    config: RunConfig
    out: Path
    fabric: Fabric
    task: Task[DatasetT, SampleT, PredictionT]
    model: _FabricModule
    optimizer: torch.optim.Optimizer
    train_data: DatasetT
    val_data: DatasetT
    step: int = 0
    best: float = -math.inf

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return bool(self.fabric.is_global_zero)


@dataclass(frozen=True)
class Ended:
    """How a call of `fit` ended: at the last step, or stopped before it; ``best`` is the highest val score."""

    step: int
    steps: int
    best: float
    first: bool


def fit(config: RunConfig, out: Path, *, resume: bool = False, notes: Sequence[str] = ()) -> Ended:
    """Train as ``config`` says, into the folder ``out``.

    Writes config.json, metrics.jsonl, TensorBoard events, last.pt and best.safetensors.
    ``resume`` goes on from last.pt. ``notes`` are said once, before the first step.
    """
    fabric = processes(config)
    with launched(fabric), stoppable() as stop:
        return fit_here(config, out, fabric, stop, resume=resume, notes=notes)


def fit_here(
    config: RunConfig,
    out: Path,
    fabric: Fabric,
    stop: Callable[[], bool],
    *,
    resume: bool = False,
    notes: Sequence[str] = (),
) -> Ended:
    """`fit` on processes that are there already, until ``stop`` says so: parts of a run share both."""
    micro, turns = share(config.batch, fabric.world_size, config.micro_batch)
    if turns > 1:
        notes = [
            *notes,
            f"{turns} turns of {micro} pictures a step: what looks at a whole batch (batch norm, OHEM) sees {micro}",
        ]
    with claimed(out, fabric):
        together(fabric, lambda: check_folder(out, resume))
        saved = together(fabric, lambda: resumable(config, out)) if resume else None
        run = prepare(build_task(config), config, out, fabric, saved)
        if saved is not None and run.step < config.steps:
            notes = [*notes, f"going on at step {run.step} of {config.steps}"]
        if run.first:
            print("\n".join(notes), end="\n" if notes else "", flush=True)
        loop(run, stop)
        return Ended(run.step, config.steps, run.best, run.first)


def finished(folder: Path, steps: int) -> bool:
    """Whether a part of a run has taken its last step, and been validated after it."""
    kept = all((folder / name).is_file() for name in ("last.pt", "best.safetensors"))
    return kept and checkpoint.load(folder / "last.pt").step >= steps


def processes(config: RunConfig) -> Fabric:
    """Where the run takes place, not started yet; a batch that the processes can't share is refused."""
    share(config.batch, config.devices * config.nodes, config.micro_batch)
    # The running statistics are averaged when they are needed, not overwritten by rank 0's before every forward.
    known = inspect.signature(DistributedDataParallel).parameters
    local: dict[str, Any] = {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}
    strategy: Any = DDPStrategy(**local) if config.devices * config.nodes > 1 else "auto"
    return create_fabric(config.accelerator, config.devices, config.nodes, config.precision, strategy)


def resumable(config: RunConfig, out: Path) -> checkpoint.Checkpoint:
    """The checkpoint to go on from; settings that would make it another run are refused."""
    path = out / "last.pt"
    saved = checkpoint.load(path)
    check_resumable(saved.config, config, path)
    if saved.optimizer is None:
        raise UserError(f"{path} holds no optimizer state to resume from")
    return saved


def prepare(
    task: Task[DatasetT, SampleT, PredictionT],
    config: RunConfig,
    out: Path,
    fabric: Fabric,
    saved: checkpoint.Checkpoint | None = None,
) -> Run[DatasetT, SampleT, PredictionT]:
    """Data, network and optimizer; the initial weights follow from the seed, or from what was saved."""
    train_data, val_data, network = together(fabric, lambda: build(task, config, fabric, saved))
    optimizer = optimizer_for(network, config, task.backbone_prefix)
    if config.compile:
        network = torch.compile(network)  # type: ignore[assignment]  # a module all the same
    model, optimizer = fabric.setup(network, optimizer)
    run = Run(config, out, fabric, task, model, optimizer, train_data, val_data)
    learn(run)
    if saved is not None and saved.optimizer is not None:
        run.optimizer.load_state_dict(saved.optimizer)
        run.step, run.best = saved.step, saved.best
    return run


def optimizer_for(network: nn.Module, config: RunConfig, backbone: str) -> torch.optim.Optimizer:
    """SGD or AdamW, as the settings say."""
    about, parameters = config.optim, groups(network, config, backbone)
    if about.method == "adamw":
        return torch.optim.AdamW(parameters, betas=(about.momentum, 0.999), weight_decay=about.weight_decay)
    return torch.optim.SGD(parameters, momentum=about.momentum, weight_decay=about.weight_decay)


def build(
    task: Task[DatasetT, SampleT, PredictionT], config: RunConfig, fabric: Fabric, saved: checkpoint.Checkpoint | None
) -> tuple[DatasetT, DatasetT, nn.Module]:
    """All that may meet a user's mistake, and needs no other process."""
    train_data = task.build_dataset(config.data.train_split)
    val_data = task.build_dataset(config.data.val_split)
    for split, each in ((config.data.train_split, train_data), (config.data.val_split, val_data)):
        if not each.labelled:
            raise UserError(f"{config.data.name}'s split {split!r} has no labels, to train or to validate on")
    one, other = (f"{config.data.name}'s split {split!r}" for split in (config.data.train_split, config.data.val_split))
    check_same_classes(train_data.labels, val_data.labels, one, other, "train and validate on the same classes")
    torch.manual_seed(config.seed)
    # a run that goes on has all its weights: what it began from may be gone by now
    begin = saved or (checkpoint.load(config.init) if config.init else None)
    network = task.build_model(len(train_data.labels), initial_weights=begin is None)
    if begin is not None:
        source = Path("last.pt") if saved else config.init or Path()
        checkpoint.check_classes(begin, train_data.labels, source)
        checkpoint.load_weights(network, begin.weights, str(source))
    if config.channels_last:
        network = network.to(memory_format=torch.channels_last)
    if fabric.device.type == "cpu":
        keep_freed_memory()
        if config.precision == "bf16-mixed" and not config.compile:  # in float32 nothing is gained
            train_depthwise_fast(network)
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        # torch's own would drop the activations inside timm's norms
        network = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    if config.frozen_norm:
        for norm in norms(network):
            norm.requires_grad_(False)
    return train_data, val_data, network


def norms(network: nn.Module) -> list[nn.Module]:
    """Its batch norms."""
    return [each for each in network.modules() if isinstance(each, _BatchNorm)]


def learn(run: Run[DatasetT, SampleT, PredictionT]) -> None:
    """Training mode; with ``frozen_norm`` the batch norms stay as they are."""
    run.model.train()
    if run.config.frozen_norm:
        for norm in norms(run.model):
            norm.eval()


def groups(network: nn.Module, config: RunConfig, prefix: str) -> list[dict[str, Any]]:
    """Two parameter groups, the backbone (by the prefix of its names) and the rest; ``scale`` multiplies the rate."""
    learned = {name: p for name, p in network.named_parameters() if p.requires_grad}
    backbone = [p for name, p in learned.items() if name.startswith(prefix)]
    rest = [p for name, p in learned.items() if not name.startswith(prefix)]
    return [
        {"params": backbone, "lr": config.optim.lr, "scale": 1.0},
        {"params": rest, "lr": config.optim.lr, "scale": config.optim.head_lr},
    ]


def learning_rate(config: RunConfig, step: int) -> float:
    """The poly schedule, or drops to a tenth, after a linear warm-up."""
    optim, done = config.optim, step / config.steps
    warm = min(1.0, (step + 1) / optim.warmup) if optim.warmup else 1.0
    falls = 0.1 ** sum(done >= each for each in optim.drops) if optim.schedule == "drops" else (1 - done) ** optim.power
    return float(optim.lr * warm * falls)


def loop(run: Run[DatasetT, SampleT, PredictionT], stop: Callable[[], bool]) -> None:
    """The loop: step, log, save, validate; ends at the last step, or earlier where a stop is wished."""
    config, fabric = run.config, run.fabric
    loss_of = together(fabric, lambda: run.task.build_loss(run.train_data, show_progress=run.first))
    log = first_alone(fabric, lambda: Log(run.out, config, run.step, describe_device(fabric.device)))
    bar = Bar("train", config.steps, start=run.step, unit="images", per_step=config.batch, shown=run.first)
    with bar, closing(loader(run)) as batches:
        if run.step and due(run):  # it was saved before this validation, which may not have come
            check(run, bar, log)
        while run.step < config.steps and not any(everyone(fabric, stop())):
            turns = together(fabric, lambda: next(batches))
            means = step(run, turns, loss_of)
            bar.advance(f"loss {means['loss']:.3f} lr {means['lr']:.4f} {peak_memory(fabric.device):.1f} GB")
            if log and (run.step % config.log_every == 0 or run.step == config.steps):
                log.write(
                    "train",
                    run.step,
                    {**means, "images_per_second": bar.rate, "memory_gb": peak_memory(fabric.device)},
                )
            if due(run) or run.step % config.save_every == 0:
                keep_last(run, turns[-1])
            if due(run):
                check(run, bar, log)
        if run.step < config.steps:
            keep_last(run)


def step(
    run: Run[DatasetT, SampleT, PredictionT], turns: list[list[SampleT]], loss_of: ComputeLoss[SampleT]
) -> dict[str, float]:
    """Forward and backward over the micro-batches, one step of the optimizer; loss terms, gradient norm and rate."""
    config, fabric = run.config, run.fabric
    rate = learning_rate(config, run.step)
    for group in run.optimizer.param_groups:
        group["lr"] = rate * group["scale"]
    losses: dict[str, Tensor] = {}
    for micro, batch in enumerate(turns):
        torch.manual_seed(mix(config.seed, run.step, micro, fabric.global_rank))  # for dropout
        with fabric.no_backward_sync(run.model, enabled=micro < len(turns) - 1):
            terms = loss_of(run.model, batch)
            fabric.backward(terms["loss"] / len(turns))
        losses = {key: losses.get(key, 0) + value.detach() / len(turns) for key, value in terms.items()}
    norm: Any = fabric.clip_gradients(
        run.model, run.optimizer, max_norm=config.optim.clip or math.inf, error_if_nonfinite=False
    )
    means = averaged(fabric, {**losses, "norm": norm})
    scaled = config.precision == "16-mixed"  # there the loss scaler skips steps of infinite gradient by design
    check_finite(run, {"loss": means["loss"]} if scaled else means, float(losses["loss"]), turns)
    run.optimizer.step()
    run.optimizer.zero_grad()
    run.step += 1
    return {**means, "lr": rate}


def loader(run: Run[DatasetT, SampleT, PredictionT]) -> Generator[list[list[SampleT]]]:
    """The micro-batches of each step to come, for this process.

    To be closed: that ends the loading processes, which take no signal but their parent's word.
    """
    config, fabric = run.config, run.fabric
    micro, turns = share(config.batch, fabric.world_size, config.micro_batch)
    sampler = positions(run.step, config.steps, config.batch, fabric.global_rank, fabric.world_size, micro)
    workers = config.data.workers
    batches: Any = iter(
        DataLoader(
            run.task.training_samples(run.train_data),
            batch_sampler=sampler,  # type: ignore[arg-type]  # any sequence of index sequences will do
            num_workers=workers,
            collate_fn=list,
            pin_memory=fabric.device.type == "cuda",
            worker_init_fn=leave_signals_to_the_parent if workers else None,
        )
    )
    try:
        for _ in range(run.step, config.steps):
            yield [fabric.to_device(next(batches)) for _ in range(turns)]
    finally:
        if workers:
            batches._shutdown_workers()  # torch has no public word for it, and Python's own, SIGTERM, is not heard


def averaged(fabric: Fabric, values: dict[str, Tensor]) -> dict[str, float]:
    """The values' means over the processes, in one message."""
    numbers = torch.stack([value.float() for value in values.values()])
    if fabric.world_size > 1:
        numbers = cast(Tensor, fabric.all_reduce(numbers, reduce_op="mean"))
    return dict(zip(values, numbers.tolist(), strict=True))


def check_finite(
    run: Run[DatasetT, SampleT, PredictionT], means: dict[str, float], own: float, turns: list[list[SampleT]]
) -> None:
    """Stop before a NaN reaches the weights; name the step, and the pictures of the processes that met it."""
    wrong = [name for name, value in means.items() if not math.isfinite(value)]
    if not wrong:
        return
    names = [sample["name"] for batch in turns for sample in batch]
    met = everyone(run.fabric, [] if math.isfinite(own) else names) if "loss" in wrong else everyone(run.fabric, names)
    kept = run.out / "last.pt"
    sentence = (
        f"the {'loss' if 'loss' in wrong else 'gradient'} is not finite at step {run.step}, "
        f"batch {', '.join(name for each in met for name in each)}; "
        + (f"the last good checkpoint is {kept}; " if kept.is_file() else "")
        + "try a lower optim.lr, optim.clip 1, or a look at these pictures with gald data"
    )
    raise UserError(sentence) if run.first else SystemExit(2)


def due(run: Run[DatasetT, SampleT, PredictionT]) -> bool:
    """Whether this step is followed by a validation."""
    every = run.config.val_every
    return run.step == run.config.steps or bool(every and run.step % every == 0)


def check(run: Run[DatasetT, SampleT, PredictionT], bar: Bar, log: Log | None) -> None:
    """Validate, say it, log it, and keep the weights if they are the best so far."""
    scores = validate(run)
    key = run.task.score
    bar.say(f"step {run.step}: val {run.task.score_title} {100 * scores[key]:.2f} %")
    if log:
        log.write("val", run.step, scores)
    if not math.isfinite(run.best) or scores[key] >= run.best:
        run.best = scores[key]
        first_alone(run.fabric, lambda: checkpoint.save(run.out / "best.safetensors", snapshot(run, optimizer=False)))


def validate(run: Run[DatasetT, SampleT, PredictionT]) -> dict[str, float]:
    """Scores on the validation split; the statistics of batch norm are averaged over the processes first."""
    average_buffers(run)
    run.model.eval()
    task, workers = run.task, run.config.data.workers
    predict = task.build_predictor(run.model)
    metrics = task.build_metrics(run.val_data, complete=False).to(run.fabric.device)
    scores = measure(task, predict, run.val_data, metrics, run.fabric, workers=workers, what="validate")
    learn(run)
    return scores


def average_buffers(run: Run[DatasetT, SampleT, PredictionT]) -> None:
    """Give every process the mean of the running statistics (they differ where batch norm is not synchronised)."""
    if run.fabric.world_size > 1 and not run.config.frozen_norm:  # a mean of equals can be off by a rounding
        for buffer in run.model.module.buffers():
            if buffer.is_floating_point():
                buffer.copy_(cast(Tensor, run.fabric.all_reduce(buffer, reduce_op="mean")))


def snapshot(run: Run[DatasetT, SampleT, PredictionT], optimizer: bool) -> checkpoint.Checkpoint:
    """The run as it stands."""
    state = run.optimizer.state_dict() if optimizer else None
    return checkpoint.Checkpoint(run.config, run.train_data.labels, run.step, run.best, run.model.state_dict(), state)


def keep_last(run: Run[DatasetT, SampleT, PredictionT], batch: list[SampleT] | None = None) -> None:
    """Write last.pt, if the network is still sound on the batch that it has just learned."""
    average_buffers(run)
    if batch is not None:
        run.model.eval()
        with torch.no_grad():
            own = float(run.task.activation(run.model, batch))
        learn(run)
        check_finite(run, averaged(run.fabric, {"loss": torch.tensor(own, device=run.fabric.device)}), own, [batch])
    first_alone(run.fabric, lambda: checkpoint.save(run.out / "last.pt", snapshot(run, optimizer=True)))
