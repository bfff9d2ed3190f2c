"""Runs that version 0.1.0 wrote before its modules moved: they load, are measured, and are resumed to their end.

Each was stopped by Ctrl-C in its third of four steps, when its folder was copied to ``tests/golden/earlier_version``
(without its TensorBoard events); of another that ran through, the first 32 numbers of each weight are kept:

    gald train synthetic --model.backbone test_efficientnet --model.channels 16 --model.output-stride 16
        --data.drawn-size 32 48 --data.crop 32 48 --loss.min-kept 100 --optim.lr 0.05 --batch 4 COMMON
    gald train shapes --model.backbone test_efficientnet --model.norm batch --model.fpn-channels 8
        --model.head-channels 16 --model.proposals 20 --model.samples 16 --model.short 64 --model.longest 96
        --batch 2 COMMON

with COMMON ``--data.workers 0 --steps 4 --val-every 2 --save-every 2 --log-every 1 --accelerator cpu``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from running import gald as command
from running import lines
from safetensors.torch import load_file

import gald
from gald.config.serialization import from_json
from gald.engine import checkpoint

GOLDEN = Path(__file__).parents[1] / "golden" / "earlier_version"
SCORES = {"seg": "miou", "det": "voc/map"}


@pytest.fixture(params=SCORES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(kind: str, tmp_path: Path) -> Path:
    """A copy of the stopped run."""
    return Path(shutil.copytree(GOLDEN / f"{kind}-stopped", tmp_path / "run"))


def test_both_files_load_and_hold_the_settings_of_the_run(run: Path) -> None:
    settings = from_json((run / "config.json").read_text())
    for name, step in (("last.pt", 3), ("best.safetensors", 2)):
        content = checkpoint.load(run / name)
        assert (content.config, content.step) == (settings, step)
        weights = gald.load(run / name).state_dict()
        assert weights.keys() == content.weights.keys()
        assert all(torch.equal(value, content.weights[key]) for key, value in weights.items())


def test_it_is_measured_as_it_was_then(run: Path, kind: str) -> None:
    out = run / "scores.json"
    done = command("evaluate", "--checkpoint", run / "best.safetensors", "--accelerator", "cpu", "--out", out)
    assert done.returncode == 0, done.stderr
    then = next(line for line in lines(run / "metrics.jsonl") if line["kind"] == "val")
    now = json.loads(out.read_text())["scores"]
    assert now[SCORES[kind]] == pytest.approx(then[SCORES[kind]], abs=1e-3)


def test_it_is_resumed_to_the_end_of_a_run_that_was_not_stopped(run: Path, kind: str) -> None:
    done = command("train", "--resume", "--out", run)
    assert done.returncode == 0, done.stderr
    assert "going on at step 3 of 4" in done.stdout
    assert [line["step"] for line in lines(run / "metrics.jsonl") if line["kind"] == "train"] == [1, 2, 3, 4]
    ended, whole = checkpoint.load(run / "last.pt"), load_file(GOLDEN / f"{kind}-whole-begin.safetensors")
    assert ended.step == 4
    assert ended.weights.keys() == whole.keys()
    for name, value in whole.items():  # machines round differently
        torch.testing.assert_close(ended.weights[name].flatten()[:32], value, rtol=1e-3, atol=1e-4, msg=name)
