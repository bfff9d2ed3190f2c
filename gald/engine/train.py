"""The training loop, on Lightning Fabric: the same screen for one CPU process and for many machines.

Everything random is a function of the seed and the step (which pictures, how they are augmented, dropout, learning
rate), so a run that was killed and resumed ends bit for bit where it would have ended.
"""

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from gald.config.settings import RunConfig
from gald.data.sampling import derive_seed, positions, split_batch
from gald.engine import checkpoint
from gald.engine.evaluate import measure
from gald.engine.log import Log
from gald.engine.optim import learning_rate, set_learning_rate
from gald.engine.tasks.task import ComputeLoss, DatasetT, PredictionT, SampleT, Task
from gald.support.device import describe_device, peak_memory
from gald.support.distributed import gather_objects, mean_over_ranks, on_all_ranks, on_rank_zero
from gald.support.errors import UserError
from gald.support.progress import Bar
from gald.support.signals import ignore_signals


@dataclass
class Trainer(Generic[DatasetT, SampleT, PredictionT]):
    """The training of one network: what a checkpoint must hold, and the tools of the loop."""

    settings: RunConfig
    folder: Path
    fabric: Fabric
    task: Task[DatasetT, SampleT, PredictionT]
    train_data: DatasetT
    val_data: DatasetT
    model: _FabricModule
    optimizer: torch.optim.Optimizer
    compute_loss: ComputeLoss[SampleT]
    step: int = 0
    best: float = -math.inf

    def fit(self, stop: Callable[[], bool]) -> None:
        """The loop: step, log, save, validate; ends at the last step, or earlier where ``stop`` says so."""
        settings, fabric, first = self.settings, self.fabric, self.fabric.is_global_zero
        log = on_rank_zero(fabric, lambda: Log(self.folder, settings, self.step, describe_device(fabric.device)))
        bar = Bar("train", settings.steps, start=self.step, unit="images", per_step=settings.batch, shown=first)
        with bar, closing(self.batches()) as batches:
            if self.step and self.validation_is_due:  # it was saved before this validation, which may not have come
                self.validate(bar, log)
            while self.step < settings.steps and not any(gather_objects(fabric, stop())):
                batch = on_all_ranks(fabric, lambda: next(batches))
                values = self.train_step(batch)
                memory = peak_memory(fabric.device)
                bar.advance(f"loss {values['loss']:.3f} lr {values['lr']:.4f} {memory:.1f} GB")
                if log and (self.step % settings.log_every == 0 or self.step == settings.steps):
                    log.write("train", self.step, {**values, "images_per_second": bar.rate, "memory_gb": memory})
                if self.validation_is_due or self.step % settings.save_every == 0:
                    self.save_last(learned=batch[-1])
                if self.validation_is_due:
                    self.validate(bar, log)
            if self.step < settings.steps:
                self.save_last()

    def train_step(self, micro_batches: list[list[SampleT]]) -> dict[str, float]:
        """Forward and backward over the micro-batches, one step of the optimizer; loss terms, gradient norm, rate."""
        settings, fabric, count = self.settings, self.fabric, len(micro_batches)
        rate = learning_rate(settings.optim, self.step, settings.steps)
        set_learning_rate(self.optimizer, rate)
        losses: dict[str, Tensor] = {}
        for number, batch in enumerate(micro_batches):
            torch.manual_seed(derive_seed(settings.seed, self.step, number, fabric.global_rank))  # for dropout
            with fabric.no_backward_sync(self.model, enabled=number < count - 1):
                terms = self.compute_loss(self.model, batch)
                fabric.backward(terms["loss"] / count)
            losses = {key: losses.get(key, 0) + value.detach() / count for key, value in terms.items()}
        norm: Any = fabric.clip_gradients(
            self.model, self.optimizer, max_norm=settings.optim.clip or math.inf, error_if_nonfinite=False
        )
        means = self._means({**losses, "norm": norm})
        samples = [sample for batch in micro_batches for sample in batch]
        self._check_finite("loss", means["loss"], samples, own=float(losses["loss"]))
        if settings.precision != "16-mixed":  # there the loss scaler skips steps of infinite gradient by design
            self._check_finite("gradient", sum(means.values()), samples)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return {**means, "lr": rate}

    def batches(self) -> Generator[list[list[SampleT]]]:
        """The micro-batches of each step to come, for this process.

        To be closed: that ends the loading processes, which take no signal but their parent's word.
        """
        settings, fabric, workers = self.settings, self.fabric, self.settings.data.workers
        micro, turns = split_batch(settings.batch, fabric.world_size, settings.micro_batch)
        sampler = positions(self.step, settings.steps, settings.batch, fabric.global_rank, fabric.world_size, micro)
        loader: Any = iter(
            DataLoader(
                self.task.training_samples(self.train_data),
                batch_sampler=sampler,  # type: ignore[arg-type]  # any sequence of index sequences will do
                num_workers=workers,
                collate_fn=list,
                pin_memory=fabric.device.type == "cuda",
                worker_init_fn=ignore_signals if workers else None,
            )
        )
        try:
            for _ in range(self.step, settings.steps):
                yield [fabric.to_device(next(loader)) for _ in range(turns)]
        finally:
            if workers:
                loader._shutdown_workers()  # torch has no public word for it, and Python's own, SIGTERM, is not heard

    # ------------------------------------------------------------------------------------------ validated and saved

    @property
    def validation_is_due(self) -> bool:
        """Whether this step is followed by a validation."""
        every = self.settings.val_every
        return self.step == self.settings.steps or bool(every and self.step % every == 0)

    def validate(self, bar: Bar, log: Log | None) -> None:
        """Measure on the validation split, say it, log it, and keep the weights if they are the best so far."""
        self._average_buffers()
        self.model.eval()
        task, data = self.task, self.val_data
        metrics = task.build_metrics(data, complete=False).to(self.fabric.device)
        predict, workers = task.build_predictor(self.model), self.settings.data.workers
        scores = measure(task, predict, data, metrics, self.fabric, workers=workers, what="validate")
        self.train_mode()
        score = scores[task.score]
        bar.say(f"step {self.step}: val {task.score_title} {100 * score:.2f} %")
        if log:
            log.write("val", self.step, scores)
        if not math.isfinite(self.best) or score >= self.best:
            self.best = score
            best = self.folder / "best.safetensors"
            on_rank_zero(self.fabric, lambda: checkpoint.save(best, self._snapshot(None)))

    def save_last(self, learned: list[SampleT] | None = None) -> None:
        """Write last.pt, if the network still works on the batch that it has just learned."""
        self._average_buffers()
        if learned is not None:
            self._check_model(learned)
        last = self.folder / "last.pt"
        on_rank_zero(self.fabric, lambda: checkpoint.save(last, self._snapshot(self.optimizer.state_dict())))

    def _check_model(self, batch: list[SampleT]) -> None:
        self.model.eval()
        with torch.no_grad():
            activation = self.task.activation(self.model, batch)
        self.train_mode()
        mean = self._means({"loss": activation})["loss"]
        self._check_finite("loss", mean, batch, own=float(activation))

    def train_mode(self) -> None:
        """Training mode; with ``frozen_norm`` the batch norms stay as they are."""
        self.model.train()
        if self.settings.frozen_norm:
            for norm in batch_norms(self.model):
                norm.eval()

    def _snapshot(self, optimizer: dict[str, Any] | None) -> checkpoint.Checkpoint:
        labels, weights = self.train_data.labels, self.model.state_dict()
        return checkpoint.Checkpoint(self.settings, labels, self.step, self.best, weights, optimizer)

    def _average_buffers(self) -> None:
        """Give every process the mean of the running statistics (they differ where batch norm isn't synchronised)."""
        if self.fabric.world_size > 1 and not self.settings.frozen_norm:  # a mean of equals can be off by a rounding
            for buffer in self.model.module.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(mean_over_ranks(self.fabric, buffer))

    def _means(self, values: dict[str, Tensor]) -> dict[str, float]:
        """The values' means over the processes, in one message."""
        numbers = mean_over_ranks(self.fabric, torch.stack([value.float() for value in values.values()]))
        return dict(zip(values, numbers.tolist(), strict=True))

    def _check_finite(self, what: str, mean: float, samples: list[SampleT], own: float = math.nan) -> None:
        """Stop before a NaN reaches the weights; name the step, and the pictures of the processes that met it."""
        if math.isfinite(mean):
            return
        names = [] if math.isfinite(own) else [sample["name"] for sample in samples]
        met = [name for names in gather_objects(self.fabric, names) for name in names]
        last = self.folder / "last.pt"
        sentence = (
            f"the {what} is not finite at step {self.step}, batch {', '.join(met)}; "
            + (f"the last good checkpoint is {last}; " if last.is_file() else "")
            + "try a lower --optim.lr, --optim.clip 1, or a look at these pictures with gald data"
        )
        raise UserError(sentence) if self.fabric.is_global_zero else SystemExit(2)


def batch_norms(network: nn.Module) -> Iterator[nn.Module]:
    """Its batch norms."""
    return (module for module in network.modules() if isinstance(module, _BatchNorm))
