"""The examples run as they are typed, on a tiny network and the real layout of a data set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from runpy import run_path

import torch
from fake import camvid as fake_camvid
from running import ENVIRONMENT, PATIENCE, TINY, gald
from safetensors.torch import load_file

import gald as package
from gald.block.distribution.mask import MaskDistribution
from gald.engine.tasks import load_segmenter

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_a_block_plugged_into_a_trained_network(tmp_path: Path) -> None:
    root = fake_camvid.write(tmp_path / "data")
    trained = gald("train", "synthetic", "--data.name", "camvid", "--data.root", root, "--out", tmp_path / "run", *TINY)
    assert trained.returncode == 0, trained.stderr
    best = tmp_path / "run" / "best.safetensors"
    command = [sys.executable, EXAMPLES / "plug_into_trained.py", "--checkpoint", best, "--root", root]
    command += ["--out", tmp_path / "plug", "--at", "block", "--ga", "psp", "--ld", "gate"]
    command += ["--steps", 3, "--batch", 2]
    done = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr

    scores = json.loads((tmp_path / "plug" / "plug.json").read_text())["scores"]
    assert scores["before"] == scores["plugged in"]
    network, _, _ = load_segmenter(best)
    before = network(torch.zeros(1, 3, 64, 64))["out"]
    block = load_file(tmp_path / "plug" / "block.safetensors")
    package.plug(network, "block", "psp", "gate")
    missing, unknown = network.load_state_dict(block, strict=False)
    assert not unknown
    assert not any(".gald." in key for key in missing)
    assert not torch.equal(network(torch.zeros(1, 3, 64, 64))["out"], before)  # it has learned something


def test_a_study_of_a_part_of_ones_own(tmp_path: Path) -> None:
    """The script itself, with fewer steps on smaller crops."""
    short = """
import runpy, sys
from dataclasses import replace
import gald.analysis.study
module = sys.modules["gald.analysis.study.camvid"]
whole = module.camvid
def short():
    study = whole()
    def small(run):
        data = replace(run.data, crop=(32, 48))
        model = replace(run.model, backbone="test_resnet", channels=8)
        return replace(run, data=data, model=model, steps=2, batch=2)
    return replace(study, rows={name: small(run) for name, run in study.rows.items()}, pretrained=False)
module.camvid = short
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    root = fake_camvid.write(tmp_path / "data")
    command = [sys.executable, "-c", short, EXAMPLES / "own_part_in_a_study.py", "--data.root", root]
    command += ["--data.workers", 0, "--seeds", 0, "--out", tmp_path / "study"]
    done = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr + done.stdout
    page = (tmp_path / "study" / "study.md").read_text()
    assert "2 of 6 trainings are finished (2 rows, seeds 0, 1, 2)" in page
    assert "psp_ld_stretched against psp_ld, on test" in page


def test_the_stretched_mask_differs_only_by_its_way_back() -> None:
    stretched = run_path(str(EXAMPLES / "own_part_in_a_study.py"))["StretchedDistribution"](4).eval()
    ours = MaskDistribution(4).eval()
    ours.load_state_dict(stretched.state_dict())
    grids = [[], []]
    for grid, each in zip(grids, (stretched, ours), strict=True):
        each.mask.shrink[-1].register_forward_hook(lambda module, inputs, output, grid=grid: grid.append(output))
    for size in ((1, 1), (9, 12), (17, 17), (18, 24), (23, 30)):
        x = torch.rand(1, 4, *size)
        apart = (stretched(x) - ours(x)).abs().max().item()
        # at 8 k + 1 pixels the stretched samples lie where they came from, at 1 there is nothing to stretch
        assert (apart < 1e-6) == (size in ((1, 1), (17, 17))), size
    for one, other in zip(*grids, strict=True):
        torch.testing.assert_close(one, other)
