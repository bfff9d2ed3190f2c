"""The benchmark at toy size: that it runs and compares equal things. No time is looked at."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path

import pytest
import torch

from gald.analysis.profiling.memory import Peak
from gald.block.aggregation import AGGREGATORS

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def core(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("core")


def test_both_sides_of_the_loss_are_the_same_function(core, tmp_path, capsys):
    core.main(["--toy", "--part", "ohem", "--out", str(tmp_path / "core.csv")])
    with (tmp_path / "core.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows] == ["ohem", "ohem"]
    assert all(float(row["difference"]) < 1e-5 for row in rows)
    assert all(float(row["ratio_of_median"]) > 0 and row["torch"] == torch.__version__ for row in rows)
    assert "gald ohem_cross_entropy" in capsys.readouterr().out


def test_both_sides_of_a_depthwise_step_have_the_same_gradients(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    depthwise = importlib.import_module("depthwise")
    monkeypatch.setattr(depthwise, "BACKBONES", ("test_efficientnet",))
    monkeypatch.setattr(depthwise, "keep_freed_memory", lambda: None)  # not undone when the test has ended
    depthwise.main(["--toy", "--out", str(tmp_path / "depthwise.csv")])
    with (tmp_path / "depthwise.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows] == ["memory", "gradients", "gradients"]
    assert all(
        float(row["difference"]) < limit for row, limit in zip(rows[1:], (0.2, 1e-3), strict=True)
    )  # bf16, float32


def test_agreement_counts_equal_pixels(core):
    network = importlib.import_module("parts.network")
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).reshape(1, 2, 1, 2).repeat(1, 1, 2, 1)
    identity = network.Classifier(torch.eye(2)[:, :, None, None], torch.zeros(2))
    agreement = network.Agreement(features, {"fitted": identity}, 2)
    assert agreement.of(features)["equal_fitted_percent"] == 100
    assert agreement.of(features.flip(1))["equal_fitted_percent"] == 0


def test_a_part_can_compute_in_another_type(core):
    network = importlib.import_module("parts.network")
    layers = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.Conv2d(1, 1, 1)).eval()
    mixed = network.with_parts_in_bfloat16(layers, ("0",), ("1",))
    with torch.no_grad():
        assert mixed[0](torch.ones(1, 1, 2, 2)).dtype == torch.bfloat16
        assert mixed(torch.ones(1, 1, 2, 2)).dtype == torch.float32
    assert layers[0].weight.dtype == torch.float32


@pytest.fixture
def aggregations(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("aggregations")
    # a fresh process takes seconds to import
    monkeypatch.setattr(module, "child_peaks", lambda *_: {"gald": Peak(1.0), "definition": Peak(3.0)})
    return module


def test_each_aggregation_is_the_same_function_as_its_definition(aggregations, tmp_path):
    aggregations.main(["--toy", "--out", str(tmp_path / "zoo.csv")])
    with (tmp_path / "zoo.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["variant"] for row in rows] == [name for name in AGGREGATORS if name != "none"]
    for row in rows:
        assert row["note"].startswith("the largest output is"), row
        assert float(row["difference"]) < 1e-3 * float(row["note"].split()[-1]), row
        assert float(row["ratio_of_median"]) > 0


def test_what_the_definition_cannot_have_is_told(aggregations, monkeypatch):
    peaks = {"gald": Peak(2.0), "definition": Peak(why="needs more")}
    monkeypatch.setattr(aggregations, "child_peaks", lambda *_: peaks)
    row = aggregations.row_of("psp", 16, 4, 5, 0.0, 9.0)
    assert (row["note"], row["variant_peak_mib"]) == ("the definition needs more", 2.0)
    assert "ratio_of_median" not in row


def test_a_long_definition_runs_once(aggregations, monkeypatch):
    assert aggregations.row_of("psp", 16, 4, 5, 0.0, 9.0)["repetitions"] == 3
    monkeypatch.setattr(aggregations, "LONG", 0.0)
    row = aggregations.row_of("psp", 16, 4, 5, 9.0, 9.0)
    assert row["repetitions"] == 1
    assert str(row["note"]).endswith("both ran once")


def test_the_rows_of_a_size_stand_together(aggregations, monkeypatch):
    monkeypatch.setattr(aggregations, "TOY", (((2, 3), (4, 5)), 16))
    rows = aggregations.rows_of(["psp", "gcnet"], True, 0.0, 9.0)
    assert [(row["case"][-3:], row["variant"]) for row in rows] == [
        ("2x3", "psp"), ("2x3", "gcnet"), ("4x5", "psp"), ("4x5", "gcnet")
    ]  # fmt: skip
    assert rows[0]["baseline_peak_mib"] == 3.0


def test_the_child_tells_both_sides(aggregations, capsys):
    aggregations.child("psp", "16", "4", "5", str(torch.get_num_threads()))
    assert [next(iter(json.loads(line))) for line in capsys.readouterr().out.splitlines()] == ["gald", "definition"]
