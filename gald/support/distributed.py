"""What the processes of a run must agree on: how they begin and end, and that a mistake of one ends all, said once.

Without the latter, the others would wait in the next collective call for a process that is gone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor

from gald.support.errors import UserError, sentence

T = TypeVar("T")


def starts_processes(fabric: Fabric) -> bool:
    """Whether launching starts others from this process: torchrun and SLURM have started all, those here start none."""
    environment = getattr(fabric.strategy, "cluster_environment", None)
    return environment is not None and not environment.creates_processes_externally


@contextmanager
def process_group(fabric: Fabric) -> Iterator[None]:
    """Start the processes (torchrun's and SLURM's environments are Fabric's own business); part them at the end.

    Left to Python's exit, a thread of gloo that still holds the last message aborts one process in ten (SIGABRT in
    place of the exit code). After an unforeseen error nothing is parted: another process may be amid a message, and
    waiting for it would take half an hour.
    """
    fabric.launch()
    try:
        yield
    except (UserError, SystemExit):
        _destroy()
        raise
    _destroy()


def _destroy() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def gather_objects(fabric: Fabric, value: T) -> list[T]:
    """The value of every process, in order of rank."""
    if fabric.world_size == 1:
        return [value]
    values: list[T] = [value] * fabric.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def mean_over_ranks(fabric: Fabric, value: Tensor) -> Tensor:
    """The mean of the processes' values."""
    return cast(Tensor, fabric.all_reduce(value, reduce_op="mean")) if fabric.world_size > 1 else value


def on_all_ranks(fabric: Fabric, action: Callable[[], T]) -> T:
    """Do ``action`` on every process; where it meets a user's mistake on one, all stop and the first says it.

    ``action`` must not wait for other processes itself.
    """
    complaint: str | None = None
    try:
        result = action()
    except UserError as error:
        complaint = sentence(error)
    complaints = [other for other in gather_objects(fabric, complaint) if other is not None]
    if complaints:
        raise UserError(complaints[0]) if fabric.is_global_zero else SystemExit(2)
    return result


def on_rank_zero(fabric: Fabric, action: Callable[[], T]) -> T | None:
    """Do ``action`` on the first process only; its mistake ends all, and nobody goes on before it is done."""
    return on_all_ranks(fabric, lambda: action() if fabric.is_global_zero else None)
