"""Runs the ``gald`` command as a user does: another process, its exit code and its words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from gald.config.settings import RunConfig
from gald.engine import checkpoint
from gald.engine.phases import phases_of
from gald.engine.run import Outcome, Run
from gald.engine.train import Trainer

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "100"}
PATIENCE = 1200  # seconds after which a command is taken to hang: no test is about how fast the machine is
TRAIN_STEP = "gald.engine.train:Trainer.train_step"
# a whole run of seconds: 9 pictures of 32x48, a network of 0.4 million weights, 6 steps over 3 epochs and a bit
TINY = (
    "--model.backbone", "test_resnet", "--model.channels", "16", "--model.output-stride", "16",
    "--data.crop", "32", "48", "--data.workers", "1", "--val-every", "4", "--loss.min-kept", "100",
    "--optim.lr", "0.05", "--batch", "4", "--steps", "6", "--log-every", "1", "--save-every", "2",
    "--accelerator", "cpu",
)  # fmt: skip


def gald(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run ``gald ...`` to its end."""
    return subprocess.run(
        line(*arguments), env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE, **options
    )


def line(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "gald.cli", *map(str, arguments)]


def fit(config: RunConfig, out: Path, *, resume: bool = False) -> Outcome:
    """Train in this process, as ``gald train`` does."""
    return Run(config, phases_of(config, out), out, resume=resume).train()


def interrupt(
    arguments: list[str], call: int, number: signal.Signals, *, of: str = TRAIN_STEP, env: dict[str, str] = ENVIRONMENT
) -> subprocess.CompletedProcess[str]:
    """Run a command that gets a signal when it comes to that call ``of`` a function, to its end."""
    paths = [str(Path(__file__).parent / "interrupting"), *filter(None, [env.get("PYTHONPATH")])]
    env = {**env, "PYTHONPATH": os.pathsep.join(paths), "INTERRUPT": f"{of} {call} {int(number)}"}
    return subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=PATIENCE)


def interrupt_step(number: int, patch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in that training step of this process, counted over all parts of a run."""
    train_step: Callable[..., Any] = Trainer.train_step
    taken = count(1)

    def interrupted(*arguments: Any) -> Any:
        values = train_step(*arguments)
        if next(taken) == number:
            signal.raise_signal(signal.SIGINT)
        return values

    patch.setattr(Trainer, "train_step", interrupted)


def lines(metrics: Path) -> list[dict[str, float]]:
    """What a run has logged so far."""
    if not metrics.is_file():
        return []
    return [json.loads(each) for each in metrics.read_text().splitlines() if each.endswith("}")]


def assert_same(first: Path, second: Path) -> None:
    one, other = checkpoint.load(first / "last.pt"), checkpoint.load(second / "last.pt")
    assert one.step == other.step
    for name, value in one.weights.items():
        assert torch.equal(value, other.weights[name]), name
    assert one.optimizer is not None
    assert other.optimizer is not None
    for number, state in one.optimizer["state"].items():
        assert torch.equal(state["momentum_buffer"], other.optimizer["state"][number]["momentum_buffer"])
    best, again = checkpoint.load(first / "best.safetensors"), checkpoint.load(second / "best.safetensors")
    assert (best.step, best.best) == (again.step, again.best)
