"""An endless, exactly repeatable stream of training samples.

Sample number p of a run is a function of (seed, p) alone: which picture, and how it is augmented. So a run that is
stopped and resumed sees what it would have seen, and workers, processes and accumulation change nothing.
"""

from collections.abc import Callable
from typing import Protocol, TypedDict, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gald.support.errors import UserError


class Sample(TypedDict):
    """What every sample has, whatever the task: ``image`` uint8 (3, H, W) RGB, and the picture's ``name``."""

    image: Tensor
    name: str


SampleT = TypeVar("SampleT", bound=Sample)
SampleT_co = TypeVar("SampleT_co", bound=Sample, covariant=True)


@runtime_checkable
class SizedDataset(Protocol[SampleT_co]):
    """A data set with a length, which torch's `Dataset` doesn't promise."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> SampleT_co: ...


class TransformedDataset(Dataset[SampleT]):
    """The samples of a data set, each transformed."""

    def __init__(self, data: SizedDataset[SampleT], transform: Callable[[SampleT], SampleT]) -> None:
        self.data, self.transform = data, transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> SampleT:
        return self.transform(self.data[index])


class Stream(Dataset[SampleT]):
    """``stream[position]`` for any position >= 0; every ``len(data)`` positions are one shuffled pass over the data."""

    def __init__(self, data: SizedDataset[SampleT], transform: Callable[[SampleT], SampleT], seed: int) -> None:
        self.data, self.transform, self.seed = data, transform, seed
        self.length = len(data)
        assert self.length > 0, "a stream needs at least one sample"
        self._epoch, self._order = -1, torch.empty(0)

    def index(self, position: int) -> int:
        """Which picture of the data set stands at a position."""
        epoch, place = divmod(position, self.length)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._permutation(epoch)
        return int(self._order[place])

    def _permutation(self, epoch: int) -> Tensor:
        return torch.randperm(self.length, generator=torch.Generator().manual_seed(derive_seed(self.seed, 0, epoch)))

    def __getitem__(self, position: int) -> SampleT:
        sample = self.data[self.index(position)]
        with torch.random.fork_rng(devices=[]):
            # not torch.manual_seed: that would also reset the accelerator's generators, which dropout draws from
            torch.default_generator.manual_seed(derive_seed(self.seed, 1, position))
            return self.transform(sample)


def derive_seed(*numbers: int) -> int:
    """One well mixed 64-bit seed from several numbers (neighbouring seeds of a generator are not independent)."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def split_batch(batch: int, world: int, micro_batch: int) -> tuple[int, int]:
    """Pictures of a micro-batch, and how many of them each process takes for one step of ``batch`` pictures.

    ``micro_batch`` 0 asks for one micro-batch of ``batch / world``.
    """
    micro = micro_batch or max(1, batch // world)
    if batch < 1 or batch % (world * micro):
        raise UserError(
            f"a batch of {batch} does not divide into {world} process(es) of micro-batches of {micro}: "
            f"choose a multiple of {world * micro}"
        )
    return micro, batch // (world * micro)


def positions(start_step: int, steps: int, batch: int, rank: int, world: int, micro_batch: int) -> list[range]:
    """Micro-batches of positions for process ``rank`` of ``world``, for steps ``start_step`` to ``steps - 1`` of a run.

    A step takes ``batch`` samples over all processes in ``batch // (world * micro_batch)`` turns; micro-batch a of rank
    r at step s holds positions ``s * batch + (a * world + r) * micro_batch`` and on. Hand it to
    ``DataLoader(batch_sampler=...)``.
    """
    split_batch(batch, world, micro_batch)
    return [
        range(first, first + micro_batch)
        for step in range(start_step, steps)
        for first in range(step * batch + rank * micro_batch, (step + 1) * batch, world * micro_batch)
    ]
