"""What the processes of a run must agree on: a mistake that one of them meets ends all, and is said once.

Without it, the others would wait in the next collective call for a process that is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch.distributed
from lightning_fabric import Fabric

from gald.errors import UserError, sentence

T = TypeVar("T")


def everyone(fabric: Fabric, value: T) -> list[T]:
    """The value of every process, in order of rank."""
    if fabric.world_size == 1:
        return [value]
    values: list[T] = [value] * fabric.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def together(fabric: Fabric, action: Callable[[], T]) -> T:
    """Do ``action`` on every process; where it meets a user's mistake on one, all stop and the first says it.

    ``action`` must not wait for other processes itself.
    """
    complaint: str | None = None
    try:
        result = action()
    except UserError as error:
        complaint = sentence(error)
    complaints = [each for each in everyone(fabric, complaint) if each is not None]
    if complaints:
        raise UserError(complaints[0]) if fabric.is_global_zero else SystemExit(2)
    return result


def first_alone(fabric: Fabric, action: Callable[[], T]) -> T | None:
    """Do ``action`` on the first process only; its mistake ends all, and nobody goes on before it is done."""
    return together(fabric, lambda: action() if fabric.is_global_zero else None)
