"""The optimiser and the learning rate of a run."""

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from gald.config.settings import OptimizerConfig


def build_optimizer(network: nn.Module, optim: OptimizerConfig, backbone_prefix: str) -> Optimizer:
    """SGD or AdamW, over two groups of parameters: the backbone, by the prefix of its names, and the rest.

    The rate of a group is that of the step times its ``scale``.
    """
    learned = {name: value for name, value in network.named_parameters() if value.requires_grad}
    backbone = [value for name, value in learned.items() if name.startswith(backbone_prefix)]
    rest = [value for name, value in learned.items() if not name.startswith(backbone_prefix)]
    groups = [
        {"params": backbone, "lr": optim.lr, "scale": 1.0},
        {"params": rest, "lr": optim.lr, "scale": optim.head_lr},
    ]
    if optim.method == "adamw":
        return AdamW(groups, betas=(optim.momentum, 0.999), weight_decay=optim.weight_decay)
    return SGD(groups, momentum=optim.momentum, weight_decay=optim.weight_decay)


def learning_rate(optim: OptimizerConfig, step: int, steps: int) -> float:
    """The rate of one of ``steps``: the poly schedule, or drops to a tenth, after a linear warm-up."""
    done = step / steps
    warm_up = min(1.0, (step + 1) / optim.warmup) if optim.warmup else 1.0
    if optim.schedule == "drops":
        return float(optim.lr * warm_up * 0.1 ** sum(done >= drop for drop in optim.drops))
    return float(optim.lr * warm_up * (1 - done) ** optim.power)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give each group the rate times its scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
