"""Whole networks side by side: what the block adds to the parameters and the time of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from gald.analysis.profiling.table import Value
from gald.analysis.profiling.times import affordable, in_turns

BUDGET = 30.0  # seconds for the turns of all networks


def measured(
    networks: Mapping[str, nn.Module], look: Callable[[nn.Module], Any], repetitions: int | None
) -> list[dict[str, Value]]:
    """A row for each network: parameters, seconds of ``look(network)`` (the median of turns), ratios to the first.

    ``look`` returns when the work is done, on a GPU too.
    """

    def looking(network: nn.Module) -> Callable[[], Any]:
        def once() -> Any:
            with torch.inference_mode():
                return look(network)

        return once

    works = {name: looking(network.eval()) for name, network in networks.items()}
    fitting = affordable(works.values(), BUDGET)  # a round each, which warms them up
    times = in_turns(works, repetitions or fitting)
    rows: list[dict[str, Value]] = []
    for name, network in networks.items():
        numbers = {"parameters": sum(each.numel() for each in network.parameters()), "forward_s": times[name].median}
        first = rows[0] if rows else numbers
        ratios = {f"{key}_ratio": value / float(first[key] or 1) for key, value in numbers.items()}
        rows.append({"network": name, **numbers, **ratios})
    return rows
