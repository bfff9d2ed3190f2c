"""The examples run as they are typed, on a tiny network and the real layout of a data set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from fake import camvid as fake_camvid
from running import ENVIRONMENT, TINY, gald
from safetensors.torch import load_file

import gald as package
from gald.tasks.segment import load_model

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_a_block_plugged_into_a_trained_network(tmp_path: Path) -> None:
    root = fake_camvid.write(tmp_path / "data")
    trained = gald("train", "synthetic", "--data.name", "camvid", "--data.root", root, "--out", tmp_path / "run", *TINY)
    assert trained.returncode == 0, trained.stderr
    best = tmp_path / "run" / "best.safetensors"
    command = [sys.executable, EXAMPLES / "plug_into_trained.py", "--checkpoint", best, "--root", root]
    command += ["--out", tmp_path / "plug", "--at", "block", "--ga", "psp", "--ld", "gate"]
    command += ["--steps", 3, "--batch", 2]
    done = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr

    scores = json.loads((tmp_path / "plug" / "plug.json").read_text())["scores"]
    assert scores["before"] == scores["plugged in"]
    network, _ = load_model(best)
    before = network(torch.zeros(1, 3, 64, 64))["out"]
    block = load_file(tmp_path / "plug" / "block.safetensors")
    package.plug(network, "block", "psp", "gate")
    missing, unknown = network.load_state_dict(block, strict=False)
    assert not unknown
    assert not any(".gald." in key for key in missing)
    assert not torch.equal(network(torch.zeros(1, 3, 64, 64))["out"], before)  # it has learned something
