"""Whole networks side by side: what the block adds to the parameters and the time of a network."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from gald.analysis.profiling.csv_table import Row, with_ratios
from gald.analysis.profiling.timing import affordable, in_turns
from gald.config.recipes import RECIPES
from gald.config.settings import RunConfig
from gald.engine import checkpoint
from gald.engine.tasks import build_task
from gald.support.errors import lookup

BUDGET = 30.0  # seconds for the turns of all networks
CLASSES = 20  # of a recipe's network


@dataclass(frozen=True)
class NamedNetwork:
    """What is known of a network before it is built; ``source`` is how it was named."""

    source: str
    config: RunConfig
    classes: int


def find_network(source: str) -> NamedNetwork:
    """The network of a recipe or a checkpoint; `UserError` for what is neither."""
    if Path(source).suffix not in (".safetensors", ".pt"):
        return NamedNetwork(source, lookup(RECIPES, source, "recipe")(), CLASSES)
    content = checkpoint.load(Path(source))
    return NamedNetwork(source, content.config, len(content.labels))


def compare_networks(named: NamedNetwork, size: tuple[int, int], repetitions: int | None, fabric: Fabric) -> list[Row]:
    """The network, with fresh weights, beside itself without LD and without the block.

    A row for each: parameters, seconds for a picture of ``size`` (the median of turns), ratios to the first.
    """
    tasks = {name: build_task(variant) for name, variant in _variants(named.config).items()}
    networks = {name: task.build_model(named.classes).to(fabric.device).eval() for name, task in tasks.items()}
    picture = torch.randint(256, (3, *size), dtype=torch.uint8, device=fabric.device)
    predictors = {name: tasks[name].build_predictor(network) for name, network in networks.items()}
    works = {name: _look(predict, picture, fabric) for name, predict in predictors.items()}
    fitting = affordable(works.values(), BUDGET)  # a round each, which warms them up
    times = in_turns(works, repetitions or fitting)
    rows: list[Row] = [
        {"network": name, "parameters": _parameters(network), "forward_s": times[name].median}
        for name, network in networks.items()
    ]
    first = dict(rows[0])
    return [with_ratios(row, first, ("parameters", "forward_s")) for row in rows]


def _variants(config: RunConfig) -> dict[str, RunConfig]:
    """Without the block, with the aggregation alone, and as it is; what is the same stands once."""
    model = config.model.bare()
    models = {
        "no block": replace(model, ga="none", ld="none"),
        f"{model.ga} alone": replace(model, ld="none"),
        f"{model.ga} + {model.ld}": model,
    }
    before = {name: [*models.values()][:i] for i, name in enumerate(models)}
    return {name: replace(config, model=model) for name, model in models.items() if model not in before[name]}


def _look(predict: Callable[[Tensor], object], picture: Tensor, fabric: Fabric) -> Callable[[], None]:
    """Looking at a picture once; it returns when the work is done, on a GPU too."""

    def work() -> None:
        with torch.inference_mode(), fabric.autocast():
            predict(picture)
        if fabric.device.type == "cuda":
            torch.cuda.synchronize(fabric.device)

    return work


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
