"""A packed study gives the numbers and intervals that it gave."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

from gald.analysis.statistics.bootstrap import blocks, draws

PLACE = Path(__file__).parents[1] / "tools" / "pack_study.py"


def test_sums_over_runs_of_pictures_give_every_resample_its_counts():
    spec = importlib.util.spec_from_file_location("pack_study", PLACE)
    pack_study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack_study)
    block = blocks([f"{sequence}_{frame:06d}" for sequence in ("one", "two") for frame in range(35)], "camvid")
    counts = torch.randint(2**20, (70, 2, 11), dtype=torch.int32)
    summed = pack_study.summed(counts, block)
    assert summed.flatten(1).any(1).sum() == block.max() + 1 < 10  # the rest is zeros, which take no room
    weights = draws(block)
    assert torch.equal(weights @ counts.double().flatten(1), weights @ summed.double().flatten(1))
    assert torch.equal(counts.sum(0), summed.sum(0))
