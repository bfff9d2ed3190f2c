"""The training loop, on Lightning Fabric: the same screen for one CPU process and for many machines.

Everything random is a function of the seed and the step (which pictures, how they are augmented, dropout, learning
rate), so a run that was killed and resumed ends bit for bit where it would have ended.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, cast

import torch
from filelock import FileLock, Timeout
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from gald import checkpoint
from gald.config import Train, to_json
from gald.data.pairs import Pairs
from gald.data.stream import Stream, mix, positions
from gald.errors import UserError
from gald.evaluation import measure
from gald.files import write_whole
from gald.precision import depthwise_in_float
from gald.progress import Bar

# Settings that say where and how fast a run goes, not what it computes: they may differ when it is resumed.
FREE = {"log_every", "val_every", "save_every", "accelerator", "compile"}
FREE_DATA = {"root", "workers"}


@dataclass
class Run:
    """A run in progress: what a checkpoint must hold, and the tools of the loop."""

    config: Train
    out: Path
    fabric: Fabric
    task: ModuleType
    model: Any
    optimizer: Any
    train_pairs: Pairs
    val_pairs: Pairs
    step: int = 0
    best: float = -math.inf

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return bool(self.fabric.is_global_zero)


def fit(task: ModuleType, config: Train, out: Path, *, resume: bool = False) -> None:
    """Train ``task`` as ``config`` says, into the folder ``out``.

    Writes config.json, metrics.jsonl, TensorBoard events, last.pt and best.safetensors.
    ``resume`` goes on from last.pt.
    """
    check_batch(config)
    fabric = launch(config)
    with claimed(out, fabric), stoppable() as stop:
        check_folder(out, resume)
        run = prepare(task, config, out, fabric)
        if resume:
            restore(run)
        loop(run, stop)
        if run.first:
            print(f"best checkpoint: {out / 'best.safetensors'} (val mIoU {100 * run.best:.2f} %)")


def launch(config: Train) -> Fabric:
    """Start the processes; torchrun's and SLURM's environments are Fabric's own business."""
    many = config.devices * config.nodes > 1
    # the running statistics are averaged when they are needed, not overwritten by rank 0's before every forward
    strategy: Any = DDPStrategy(broadcast_buffers=False) if many else "auto"
    fabric = Fabric(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.nodes,
        precision=config.precision,
        strategy=strategy,
    )
    fabric.launch()
    return fabric


def check_batch(config: Train) -> None:
    """Refuse a batch that can't be shared by the processes."""
    world = config.devices * config.nodes
    micro = config.micro_batch or config.batch // world
    if micro < 1 or config.batch % (world * micro):
        raise UserError(
            f"a batch of {config.batch} does not divide into {world} processes with micro-batches of {micro}; "
            f"choose a batch that is a multiple of {world * max(micro, 1)}"
        )


@contextmanager
def claimed(out: Path, fabric: Fabric) -> Iterator[None]:
    """Hold the run folder; the lock goes with the process, so a killed run leaves none behind."""
    if fabric.is_global_zero:
        try:
            out.mkdir(parents=True, exist_ok=True)
            lock = FileLock(out / ".lock")
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(f"another run is writing into {out}; choose another --out, or stop that run") from None
        except OSError as error:
            raise UserError(f"can't write into {out}: {error.strerror}; choose another --out") from None
        with lock:
            yield
    else:
        yield


def check_folder(out: Path, resume: bool) -> None:
    """Never write over a run by accident, never resume nothing."""
    there = (out / "last.pt").is_file()
    if there and not resume:
        raise UserError(f"{out} holds a run already: go on with it by --resume, or choose another --out")
    if resume and not there:
        raise UserError(f"{out} holds no last.pt to resume from; leave out --resume to begin a run there")


def prepare(task: ModuleType, config: Train, out: Path, fabric: Fabric) -> Run:
    """Data, network and optimizer; the initial weights follow from the seed."""
    train_pairs = task.data(config.data, config.data.train_split)
    val_pairs = task.data(config.data, config.data.val_split)
    torch.manual_seed(config.seed)
    network: nn.Module = task.model(config.model, len(train_pairs.labels))
    if config.channels_last:
        network = network.to(memory_format=torch.channels_last)
    if config.precision == "bf16-mixed" and fabric.device.type == "cpu":
        depthwise_in_float(network)
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    optimizer = torch.optim.SGD(
        groups(network, config), momentum=config.optim.momentum, weight_decay=config.optim.weight_decay
    )
    if config.compile:
        network = torch.compile(network)  # type: ignore[assignment]  # a module all the same
    model, optimizer = fabric.setup(network, optimizer)
    return Run(config, out, fabric, task, model, optimizer, train_pairs, val_pairs)


def groups(network: nn.Module, config: Train) -> list[dict[str, Any]]:
    """Two parameter groups, backbone and the rest; ``scale`` multiplies the schedule's rate."""
    backbone = [p for name, p in network.named_parameters() if name.startswith("backbone.")]
    rest = [p for name, p in network.named_parameters() if not name.startswith("backbone.")]
    return [
        {"params": backbone, "lr": config.optim.lr, "scale": 1.0},
        {"params": rest, "lr": config.optim.lr, "scale": config.optim.head_lr},
    ]


def learning_rate(config: Train, step: int) -> float:
    """The poly schedule, after a linear warm-up."""
    warm = min(1.0, (step + 1) / config.optim.warmup) if config.optim.warmup else 1.0
    return float(config.optim.lr * warm * (1 - step / config.steps) ** config.optim.power)


def loop(run: Run, stop: Callable[[], bool]) -> None:
    """The loop: load, forward, backward, step, log, save, validate."""
    config, fabric = run.config, run.fabric
    loss_of = run.task.losses(config.loss, run.train_pairs, shown=run.first)
    batches = iter(loader(run))
    per_step = accumulation(config)
    log = Log(run) if run.first else None
    with Bar("train", config.steps, start=run.step, unit="images", per_step=config.batch, shown=run.first) as bar:
        while run.step < config.steps:
            rate = learning_rate(config, run.step)
            for group in run.optimizer.param_groups:
                group["lr"] = rate * group["scale"]
            losses: dict[str, Tensor] = {}
            names: list[str] = []
            for micro in range(per_step):
                batch = next(batches)
                names += batch["name"]
                # for dropout; after the batch is there, for loading draws from the same generator
                torch.manual_seed(mix(config.seed, run.step, micro, fabric.global_rank))
                with fabric.no_backward_sync(run.model, enabled=micro < per_step - 1):
                    terms = loss_of(run.model(images_of(batch, config)), batch)
                    fabric.backward(terms["loss"] / per_step)
                losses = {key: losses.get(key, 0) + value.detach() / per_step for key, value in terms.items()}
            norm: Any = fabric.clip_gradients(
                run.model, run.optimizer, max_norm=config.optim.clip or math.inf, error_if_nonfinite=False
            )
            means = averaged(fabric, losses, norm, stop())
            check_finite(run, means, names)
            run.optimizer.step()
            run.optimizer.zero_grad()
            run.step += 1

            bar.advance(f"loss {means['loss']:.3f} lr {rate:.4f} {memory(fabric):.1f} GB")
            stopping = means["stop"] > 0
            if log and (run.step % config.log_every == 0 or run.step == config.steps):
                log.train(means, rate, bar.rate)
            due = config.val_every and run.step % config.val_every == 0
            if (due or run.step == config.steps) and not stopping:
                scores = validate(run)
                bar.say(f"step {run.step}: val mIoU {100 * scores['miou']:.2f} %")
                if log:
                    log.validation(scores)
                keep_best(run, scores["miou"])
            if run.step % config.save_every == 0 or run.step == config.steps or stopping:
                keep_last(run)
            if stopping:
                raise Stopped(run)


def accumulation(config: Train) -> int:
    """Micro-batches that a process takes for one step."""
    world = config.devices * config.nodes
    return config.batch // (world * (config.micro_batch or config.batch // world))


def loader(run: Run) -> Any:
    """Batches from the current step on, for this process."""
    config, fabric = run.config, run.fabric
    stream = Stream(run.train_pairs, run.task.augmentation(config.data), config.seed)
    micro = config.micro_batch or config.batch // fabric.world_size
    sampler = positions(run.step, config.steps, config.batch, fabric.global_rank, fabric.world_size, micro)
    workers = config.data.workers
    return fabric.setup_dataloaders(
        DataLoader(
            stream,
            batch_sampler=sampler,  # type: ignore[arg-type]  # any sequence of index sequences will do
            num_workers=workers,
            pin_memory=fabric.device.type == "cuda",
            worker_init_fn=leave_interrupts_to_the_parent if workers else None,
        ),
        use_distributed_sampler=False,
    )


def leave_interrupts_to_the_parent(worker: int) -> None:
    """Ctrl-C and SLURM's SIGTERM reach the whole process group; the loop decides, the workers go on."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def images_of(batch: dict[str, Any], config: Train) -> Tensor:
    """The batch's pictures in the memory format of the run."""
    images: Tensor = batch["image"]
    return images.contiguous(memory_format=torch.channels_last) if config.channels_last else images


def averaged(fabric: Fabric, losses: dict[str, Tensor], norm: Tensor, stop: bool) -> dict[str, float]:
    """Loss terms, gradient norm and the wish to stop, averaged over the processes in one message."""
    numbers = torch.stack(
        [*(value.float() for value in losses.values()), norm.float(), torch.tensor(float(stop), device=norm.device)]
    )
    if fabric.world_size > 1:
        numbers = cast(Tensor, fabric.all_reduce(numbers, reduce_op="mean"))
    return dict(zip([*losses, "norm", "stop"], numbers.tolist(), strict=True))


def check_finite(run: Run, means: dict[str, float], names: list[str]) -> None:
    """Stop before a NaN reaches the weights; name the step and the pictures."""
    scaled = run.config.precision == "16-mixed"  # there the loss scaler skips steps of infinite gradient by design
    if math.isfinite(means["loss"]) and (scaled or math.isfinite(means["norm"])):
        return
    what = "loss" if not math.isfinite(means["loss"]) else "gradient"
    kept = run.out / "last.pt"
    raise UserError(
        f"the {what} is not finite at step {run.step}, batch {', '.join(names)}; "
        + (f"the last good checkpoint is {kept}; " if kept.is_file() else "")
        + "try a lower optim.lr, optim.clip 1, or a look at these pictures with gald data"
    )


def validate(run: Run) -> dict[str, float]:
    """Scores on the validation split; the statistics of batch norm are averaged over the processes first."""
    average_buffers(run)
    run.model.eval()
    predict = lambda images: run.model(images_of({"image": images}, run.config))["out"]  # noqa: E731
    metric = run.task.metrics(run.val_pairs.labels).to(run.fabric.device)
    scores = measure(predict, run.val_pairs, metric, run.fabric, workers=run.config.data.workers, what="validate")
    run.model.train()
    return scores


def average_buffers(run: Run) -> None:
    """Give every process the mean of the running statistics (they differ where batch norm is not synchronised)."""
    if run.fabric.world_size > 1:
        for buffer in run.model.module.buffers():
            if buffer.is_floating_point():
                buffer.copy_(run.fabric.all_reduce(buffer, reduce_op="mean"))


def snapshot(run: Run, optimizer: bool) -> checkpoint.Checkpoint:
    """The run as it stands."""
    state = run.optimizer.state_dict() if optimizer else None
    weights = {name.removeprefix("_orig_mod."): value for name, value in run.model.state_dict().items()}
    return checkpoint.Checkpoint(run.config, run.train_pairs.labels, run.step, run.best, weights, state)


def keep_last(run: Run) -> None:
    """Write last.pt."""
    average_buffers(run)
    if run.first:
        checkpoint.save(run.out / "last.pt", snapshot(run, optimizer=True))
    run.fabric.barrier()


def keep_best(run: Run, miou: float) -> None:
    """Write best.safetensors where the validation says so."""
    if not math.isfinite(run.best) or miou >= run.best:
        run.best = miou
        if run.first:
            checkpoint.save(run.out / "best.safetensors", snapshot(run, optimizer=False))


def restore(run: Run) -> None:
    """Go on from last.pt; refuse settings that would make it another run."""
    path = run.out / "last.pt"
    saved = checkpoint.load(path)
    different = changed(saved.config, run.config)
    if different:
        raise UserError(
            f"{path} was made with other settings ({'; '.join(different[:4])}); use the same, or another --out"
        )
    module = getattr(run.model.module, "_orig_mod", run.model.module)
    checkpoint.load_weights(module, saved.weights, str(path))
    if saved.optimizer is None:
        raise UserError(f"{path} holds no optimizer state to resume from")
    run.optimizer.load_state_dict(saved.optimizer)
    run.step, run.best = saved.step, saved.best


def changed(before: Any, now: Any, where: str = "") -> list[str]:
    """The settings that differ, in words, but for those that don't change what is computed."""
    found = []
    for each in fields(before):
        old, new = getattr(before, each.name), getattr(now, each.name)
        if each.name in (FREE_DATA if where == "data." else FREE if not where else ()):
            continue
        if hasattr(old, "__dataclass_fields__"):
            found += changed(old, new, f"{each.name}.")
        elif old != new:
            found.append(f"{where}{each.name} was {old}, is {new}")
    return found


class Stopped(UserError):
    """The run was asked to stop, and saved itself."""

    def __init__(self, run: Run) -> None:
        self.path, self.first = run.out / "last.pt", run.first
        super().__init__(f"stopped at step {run.step} of {run.config.steps}, saved in {self.path}; go on with --resume")


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a wish that the loop asks for at the end of a step; a second one is at once."""
    wished: list[int] = []

    def wish(number: int, frame: FrameType | None) -> None:
        if wished:
            raise KeyboardInterrupt
        wished.append(number)

    before = {number: signal.signal(number, wish) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(wished)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def memory(fabric: Fabric) -> float:
    """Peak memory so far in GB: the device's, or the process's on a CPU."""
    if fabric.device.type == "cuda":
        return torch.cuda.max_memory_allocated(fabric.device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


class Log:
    """metrics.jsonl and TensorBoard, written by the first process."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.path = run.out / "metrics.jsonl"
        write_whole(run.out / "config.json", to_json(run.config).encode())
        self._forget_after(run.step)
        self.board = SummaryWriter(run.out, purge_step=run.step)
        self.begun = time.time()

    def _forget_after(self, step: int) -> None:
        """Drop the lines that a killed run wrote past its last checkpoint."""
        if self.path.is_file():
            lines = [line for line in self.path.read_text().splitlines() if json.loads(line)["step"] <= step]
            write_whole(self.path, "".join(line + "\n" for line in lines).encode())

    def train(self, means: dict[str, float], rate: float, speed: float) -> None:
        """One line of training."""
        values = {k: v for k, v in means.items() if k != "stop"}
        self._write({**values, "lr": rate, "images_per_second": speed, "memory_gb": memory(self.run.fabric)}, "train")

    def validation(self, scores: dict[str, float]) -> None:
        """One line of validation; absent classes are null."""
        self._write({key: None if math.isnan(value) else value for key, value in scores.items()}, "val")

    def _write(self, values: dict[str, float | None], kind: str) -> None:
        line = {"step": self.run.step, "seconds": round(time.time() - self.begun, 2), "kind": kind, **values}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        for key, value in values.items():
            if value is not None:
                self.board.add_scalar(f"{kind}/{key}", value, self.run.step)
        self.board.flush()


def say_machine() -> str:
    """Device, threads and versions, for the head of a log."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu, {torch.get_num_threads()} threads"
    return f"torch {torch.__version__} on {device} ({os.uname().machine})"
