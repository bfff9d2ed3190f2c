"""Equal initial weights for what the rows of a study share."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

Key = tuple[str, tuple[int, ...], tuple[type[nn.Module], ...]]


def initial_weights(builds: Iterable[Callable[[], nn.Module]], seed: int) -> Iterator[dict[str, Tensor]]:
    """The initial weights of each row, so that rows are equal wherever they have the same layer.

    Seeding each row alone is not enough: an aggregation draws random numbers, so the layers built after it would begin
    elsewhere than in a row without it. So the rows' networks are built one after the other, each from ``seed``, and
    each takes over all that a row before has too: a weight or buffer of the same name and shape, inside modules of the
    same classes all the way down (two aggregations may well both have a ``conv``; that doesn't make it the same layer).
    The rest is what the row's own build drew.

    What a row begins with depends on the seed and the rows before it, so a caller goes through all rows of the study in
    their order, whichever it trains.

    Args:
        builds: a function for each row, which builds its network.
        seed: of the run.
    """
    pool: dict[Key, Tensor] = {}
    for build in builds:
        torch.manual_seed(seed)
        network = build()
        yield {name: pool.setdefault(_key(network, name, own), own) for name, own in network.state_dict().items()}


def _key(network: nn.Module, name: str, value: Tensor) -> Key:
    parts = name.split(".")[:-1]
    owners = (network.get_submodule(".".join(parts[:depth])) for depth in range(len(parts) + 1))
    return name, tuple(value.shape), tuple(type(owner) for owner in owners)
