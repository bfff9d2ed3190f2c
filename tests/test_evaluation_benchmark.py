"""The evaluation's benchmark at toy size: that it runs and compares equal things. No time is looked at."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

from gald.analysis.profiling.memory import Peak

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("evaluation")
    # a fresh process takes seconds to import
    monkeypatch.setattr(module, "peaks", lambda *_: {"gald": Peak(1.0), "all views kept": Peak(why="needs more")})
    return module


def test_both_sides_say_the_same(benchmark: ModuleType, tmp_path: Path) -> None:
    benchmark.main(["--toy", "--out", str(tmp_path / "evaluation.csv")])
    with (tmp_path / "evaluation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["part"] for row in rows} == {"matrix", "boundary", "memory"}
    for row in rows:
        if row["part"] == "memory":
            assert (row["variant_peak_mib"], row["baseline_peak_mib"]) == ("1", "")
            assert row["note"].endswith("all views kept needs more")
        else:
            assert float(row["difference"]) < 1e-12
            assert float(row["ratio_of_median"]) > 0


def test_the_plain_form_sees_what_gald_sees(benchmark: ModuleType) -> None:
    images = torch.randint(256, (1, 3, 48, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for way in benchmark.WAYS.values():
        with torch.inference_mode():
            plain = benchmark.all_kept(way)(images).argmax(1)
            found = benchmark.compose(benchmark.network(), **way)(images).argmax(1)
        assert (plain == found).float().mean() > 0.95


def test_the_pair_has_all_classes_and_ignored_pixels(benchmark: ModuleType) -> None:
    prediction, truth = benchmark.pair((96, 192))
    assert {*truth.unique().tolist()} <= {*range(19), 255}
    assert 0.01 < float((truth == 255).float().mean()) < 0.3
    assert 0.3 < float((prediction == truth).float().mean()) < 0.9
    assert len(truth.unique()) > 15


def test_the_child_tells_both_sides(
    benchmark: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(benchmark, "network", lambda: torch.nn.Conv2d(3, 19, 1))
    monkeypatch.setattr(benchmark, "all_kept", lambda way: lambda images: torch.zeros(1, 19, *images.shape[2:]))
    monkeypatch.setattr(benchmark, "compose", lambda model, **way: lambda images: model(images.float()))
    benchmark.child("whole", "8", "9", str(torch.get_num_threads()))
    assert [next(iter(json.loads(line))) for line in capsys.readouterr().out.splitlines()] == ["gald", "all views kept"]
