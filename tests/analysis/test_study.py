"""A study: paired by seed, stopped and gone on with, and numbers that are right."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from fake import camvid as fake_camvid
from running import ENVIRONMENT, PATIENCE, interrupt
from torch import Tensor, nn

from gald.analysis.statistics.bootstrap import draws
from gald.analysis.statistics.scores import Scores, score_counts
from gald.analysis.study import STUDIES, Study
from gald.analysis.study.chart import chart
from gald.analysis.study.differences import Difference, difference, over_seeds
from gald.analysis.study.initial_weights import initial_weights
from gald.analysis.study.measure import Stopped, count_pictures, load_counts, save_counts
from gald.analysis.study.report import in_words, report, signs
from gald.analysis.study.runner import run_study as run
from gald.analysis.study.runner import with_weights
from gald.analysis.study.trial import trials
from gald.config.network import SegmenterConfig
from gald.config.serialization import from_json, to_json
from gald.config.settings import LossConfig, OptimizerConfig, SegmentationConfig, SegmentationDataConfig
from gald.data.registry import load_segmentation
from gald.engine import checkpoint
from gald.engine.evaluate import measure
from gald.engine.tasks import load_model
from gald.engine.tasks.segmentation import SegmentationTask
from gald.models.segmenter import Segmenter
from gald.support.device import create_fabric
from gald.support.errors import UserError

RUN = SegmentationConfig(
    model=SegmenterConfig(backbone="test_resnet", channels=8, output_stride=16),
    data=SegmentationDataConfig(name="camvid", crop=(32, 48), workers=0),
    loss=LossConfig(min_kept=100),
    optim=OptimizerConfig(lr=0.05),
    steps=4,
    batch=2,
    log_every=1,
    save_every=1,
    val_every=0,
    accelerator="cpu",
)
TASK = SegmentationTask(RUN)


def tiny(**changes: Any) -> Study:
    """Two rows, two seeds, four steps each."""
    run = replace(RUN, **changes)
    rows = {ld: replace(run, model=replace(run.model, ga="psp", ld=ld)) for ld in ("none", "mask")}
    return Study(rows=rows, seeds=(0, 1), reference="none", apart=("Pole",), pretrained=False)


# the command with that study in its table
COMMAND = """
import sys
from test_study import tiny
from gald.cli import main as cli
from gald.analysis.study import STUDIES
STUDIES["tiny"] = tiny
cli.main(sys.argv[1:])
"""


def command(root: Path, out: Path) -> list[str]:
    arguments = ["study", "tiny", "--data.root", root, "--data.workers", "0", "--out", out, "--accelerator", "cpu"]
    return [sys.executable, "-c", COMMAND, *map(str, arguments)]


@pytest.fixture(scope="module")
def env() -> dict[str, str]:
    here = Path(__file__).parent
    return {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(map(str, [here, here.parent, here.parents[1]]))}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_camvid.write(tmp_path_factory.mktemp("camvid"))


@pytest.fixture(scope="module")
def straight(root: Path, env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that nothing stopped."""
    out = tmp_path_factory.mktemp("study") / "out"
    done = subprocess.run(command(root, out), env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert re.search(r"row 4 of 4: mask, seed 1 \(about \d:\d\d:\d\d", done.stdout)
    return out


# ------------------------------------------------------------------------------------------------- stop and go on


def test_a_study_that_was_interrupted_ends_like_one_that_was_not(
    straight: Path, root: Path, env: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    second = out / "mask" / "0"
    stopped = interrupt(command(root, out), 4 + 3, signal.SIGINT, env=env)  # in the third step of the second row
    assert stopped.returncode == 130, stopped.stderr
    assert "stopped in row mask, seed 0, at step" in stopped.stdout
    assert checkpoint.load(second / "last.pt").step < 4
    assert not (second / "val.json").exists()
    assert "Not finished: none (1 of 2), mask." in (out / "study.md").read_text()
    first = (out / "none" / "0" / "last.pt").stat().st_mtime_ns

    done = subprocess.run(command(root, out), env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "3 of 4 rows to do" in done.stdout
    assert (out / "none" / "0" / "last.pt").stat().st_mtime_ns == first
    for row, seed in (("none", 0), ("mask", 0), ("none", 1), ("mask", 1)):
        one, other = (checkpoint.load(each / row / str(seed) / "last.pt") for each in (straight, out))
        assert one.step == other.step == 4
        assert [name for name, value in one.weights.items() if not torch.equal(value, other.weights[name])] == []
    assert (out / "study.md").read_text() == (straight / "study.md").read_text()
    assert json.loads((out / "study.json").read_text()) == json.loads((straight / "study.json").read_text())


def test_what_is_finished_is_left_alone(straight: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in straight.glob("*/*/*.*")}
    assert len(before) >= 4 * 6
    assert run("tiny", at(root), straight, ["none", "mask"], [0, 1], lambda: False) == ""
    assert "0 of 4 rows to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in straight.glob("*/*/*.*")} == before


def test_stopped_while_it_is_measured_it_measures_again(straight: Path, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(straight, out)
    (out / "mask" / "1" / "test.json").unlink()
    asked: list[int] = []

    def stop() -> bool:  # before the row; before the loop of no step that is left: once; then at the first picture
        asked.append(1)
        return len(asked) > 2

    assert run("tiny", at(root), out, ["none", "mask"], [0, 1], stop) == "in row mask, seed 1, while it was measured"
    assert not (out / "mask" / "1" / "test.json").exists()
    assert "Not finished: mask (1 of 2).\nTrained and not measured yet: mask, seed 1." in (out / "study.md").read_text()
    assert run("tiny", at(root), out, ["none", "mask"], [0, 1], lambda: False) == ""
    again, before = (json.loads((each / "study.json").read_text()) for each in (out, straight))
    assert again["rows"]["none"] == before["rows"]["none"]
    assert again["rows"]["mask"]["finished"] == [0, 1]


def test_a_stop_ends_an_evaluation_at_the_next_picture(straight: Path, root: Path) -> None:
    network, _ = load_model(straight / "none" / "0" / "best.safetensors")
    seen: list[int] = []
    network.register_forward_hook(lambda *_: seen.append(1))
    with pytest.raises(Stopped):
        count_pictures(
            TASK,
            network,
            load_segmentation("camvid", root, "val"),
            create_fabric("cpu"),
            lambda: len(seen) == 2,
            workers=0,
            what="val",
        )
    assert len(seen) == 2


# -------------------------------------------------------------------------------------------------- the protocol


def at(root: Path, **changes: Any) -> Study:
    study = tiny(**changes)
    return study.placed("tiny", root=root, weights=None, pretrained=False, accelerator="cpu", workers=0)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"steps": 5}, "steps was 4, is 5"),
        ({"val_every": 2}, "val_every was 0, is 2"),
        ({"optim": OptimizerConfig(lr=0.1)}, "lr"),
    ],
)
def test_another_protocol_is_refused(straight: Path, root: Path, changes: dict[str, Any], word: str) -> None:
    plan = (straight / "plan.json").read_bytes()
    with pytest.raises(UserError, match=word):
        run("tiny", at(root, **changes), straight, ["none"], [0], lambda: False)
    assert (straight / "plan.json").read_bytes() == plan


def test_another_study_other_pictures_and_other_first_weights_are_refused(
    straight: Path, root: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="study was tiny, is other"):
        run("other", at(root), straight, ["none"], [0], lambda: False)
    other = fake_camvid.write(tmp_path / "other")
    (other / "val" / "images" / "val_0001TP_006690.jpg").write_bytes(
        (other / "val" / "images" / "val_Seq05VD_f00000.jpg").read_bytes()
    )
    with pytest.raises(UserError, match="the pictures of val are others"):
        run("tiny", at(other), straight, ["none"], [0], lambda: False)
    (tmp_path / "weights").write_bytes(b"x")
    study = at(root).placed(
        "tiny", root=root, weights=tmp_path / "weights", pretrained=False, accelerator="cpu", workers=0
    )
    with pytest.raises(UserError, match="backbone begins with was random weights"):
        run("tiny", study, straight, ["none"], [0], lambda: False)


def test_rows_may_come_behind_the_old_ones_only(straight: Path, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(straight, out)
    study = at(root)
    more = replace(study.rows["none"], model=replace(study.rows["none"].model, ga="cgnl"))
    with pytest.raises(UserError, match="the rows were none, mask"):
        run("tiny", replace(study, rows={"new": more, **study.rows}), out, ["none"], [0], lambda: False)
    assert run("tiny", replace(study, rows={**study.rows, "new": more}), out, ["none"], [0, 1], lambda: False) == ""
    assert "Not finished: new." in (out / "study.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("camvdi",), "did you mean 'camvid'"),
        (("camvid",), "--data.root ROOT"),
        (("camvid", "--data.root", "nowhere"), "there is no folder nowhere"),
        (("camvid", "--data.root", "."), "--model.weights FILE"),
        (("camvid", "--data.root", ".", "--model.weights", "none.safetensors"), "there is no file none.safetensors"),
        (("camvid", "--rows", "psp", "pps"), "unknown row of camvid 'pps'"),
        (("synthetic", "--seeds", "1", "1"), "seeds are different numbers"),
        (("synthetic", "--data.root", "."), "synthetic are drawn, none are read: leave --data.root out"),
    ],
)
def test_what_is_missing_is_said_before_torch_is_there(arguments: tuple[str, ...], word: str, tmp_path: Path) -> None:
    script = """
import sys
from gald.cli import main as cli
try:
    cli.main(sys.argv[1:])
finally:
    assert "torch" not in sys.modules
"""
    words = [sys.executable, "-c", script, "study", *arguments]
    where = {**ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(words, env=where, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_is_no_fair_comparison_is_refused() -> None:
    rows = dict(tiny().rows)
    with pytest.raises(UserError, match="more than the network"):
        Study(rows={**rows, "longer": replace(rows["none"], steps=8)}, seeds=(0,), reference="none")
    with pytest.raises(UserError, match="no row 'psp'"):
        Study(rows=rows, seeds=(0,), reference="none", against=(("mask", "psp"),))


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_says_what_it_is_and_builds_its_networks(name: str) -> None:
    study = STUDIES[name]()
    assert STUDIES[name].__doc__
    models = [row.model for row in study.rows.values()]
    assert len(set(models)) == len(models), "two rows are the same network"
    for row in study.rows.values():
        assert from_json(to_json(row)) == row
        network = Segmenter.from_config(replace(row.model, backbone="test_resnet", channels=16), num_classes=5).train()
        assert network(torch.randint(256, (2, 3, 32, 48), dtype=torch.uint8))["out"].shape == (2, 5, 32, 48)
    for row, other in study.pairs:
        assert row != other
    alone = {(row, other) for row, other in study.pairs if row.endswith("_ld")}
    assert {(row, row.removesuffix("_ld")) for row in study.rows if row.endswith("_ld")} <= alone


# ------------------------------------------------------------------------------------------------------- pairing


def builds(*models: SegmenterConfig) -> list[Any]:
    return [lambda each=each: Segmenter.from_config(each, 5) for each in models]


SMALL = SegmenterConfig(backbone="test_resnet", channels=16, output_stride=16)
MODELS = (
    replace(SMALL, ga="none", ld="none"),
    replace(SMALL, ga="psp", ld="none"),
    replace(SMALL, ga="cgnl", ld="none"),
    replace(SMALL, ga="psp", ld="mask"),
    replace(SMALL, ga="psp", ld="mask", order="parallel"),
)


def test_rows_begin_equal_in_every_layer_that_they_share() -> None:
    fcn, psp, cgnl, psp_ld, parallel = initial_weights(builds(*MODELS), seed=3)
    for one, other in ((fcn, psp), (fcn, cgnl), (psp, psp_ld), (fcn, parallel), (psp_ld, parallel)):
        shared = [name for name in one if name in other and one[name].shape == other[name].shape]
        assert {"classify.weight", "squeeze.0.weight"} <= {*shared}
        assert any(name.startswith("backbone.") for name in shared)
        assert [name for name in shared if not torch.equal(one[name], other[name])] == []
    inside = [name for name in psp if name.startswith("block.ga.")]
    assert inside
    assert [name for name in inside if not torch.equal(psp[name], psp_ld[name])] == []
    # what seeding alone gives: the layers behind an aggregation begin elsewhere
    torch.manual_seed(3)
    alone = Segmenter.from_config(MODELS[1], 5).state_dict()
    assert not torch.equal(alone["classify.weight"], psp["classify.weight"])


def test_the_first_weights_hang_on_the_seed_and_fit_their_network() -> None:
    here, again, other = (list(initial_weights(builds(*MODELS), seed)) for seed in (0, 0, 1))
    for model, one, same, differs in zip(MODELS, here, again, other, strict=True):
        Segmenter.from_config(model, 5).load_state_dict(one)
        assert all(torch.equal(one[name], same[name]) for name in one)
        assert not torch.equal(one["classify.weight"], differs["classify.weight"])


class Zero(nn.Conv2d):
    """Begins at zero, as the last layer of some aggregations does."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)


def test_layers_of_one_name_in_modules_of_other_classes_are_not_the_same() -> None:
    def network(part: type[nn.Conv2d], shape: int = 2) -> nn.Module:
        return nn.Sequential(part(shape, 2, 1, bias=False))

    zero, drawn, larger = initial_weights(
        [lambda: network(Zero), lambda: network(nn.Conv2d), lambda: network(nn.Conv2d, 3)], 0
    )
    assert zero["0.weight"].abs().max() == 0
    assert drawn["0.weight"].abs().max() > 0
    assert larger["0.weight"].shape == (2, 3, 1, 1)


def test_a_row_begins_the_same_whichever_rows_are_chosen(tmp_path: Path) -> None:
    study = tiny()
    everything = trials(study, tmp_path, list(study.rows), (0, 1))
    whole = {(each.row, each.seed): weights for each, weights in with_weights(study, everything, 5)}
    [(last, alone)] = with_weights(study, everything[3:], 5)
    assert (last.row, last.seed) == ("mask", 1)
    assert alone is not None
    assert all(torch.equal(alone[name], value) for name, value in (whole["mask", 1] or {}).items())
    everything[2].folder.mkdir(parents=True)
    everything[2].last.touch()
    found = {(each.row, each.seed): weights is None for each, weights in with_weights(study, everything, 5)}
    assert found == {("none", 0): False, ("mask", 0): False, ("none", 1): True, ("mask", 1): False}


def test_the_rows_of_a_seed_see_the_same_and_begin_alike(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], Tensor, Tensor]] = []
    build_loss = SegmentationTask.build_loss

    def watched_loss(*arguments: Any, **options: Any) -> Any:
        compute_loss = build_loss(*arguments, **options)

        def watched(network: Any, batch: Any) -> Any:
            name = "classify.weight"
            images = torch.stack([sample["image"] for sample in batch])
            seen.append(([sample["name"] for sample in batch], images, network.state_dict()[name].clone()))
            return compute_loss(network, batch)

        return watched

    monkeypatch.setattr(SegmentationTask, "build_loss", watched_loss)
    assert run("tiny", at(root), tmp_path, ["none", "mask"], [0, 1], lambda: False) == ""
    assert len(seen) == 2 * 2 * 4
    none, mask, none1, mask1 = (seen[i : i + 4] for i in (0, 4, 8, 12))
    for one, other in ((none, mask), (none1, mask1)):
        assert all(a[0] == b[0] and torch.equal(a[1], b[1]) for a, b in zip(one, other, strict=True))
        assert torch.equal(one[0][2], other[0][2])  # the first step
        assert not torch.equal(one[3][2], other[3][2])  # the networks do differ
    assert not all(torch.equal(a[1], b[1]) for a, b in zip(none, none1, strict=True))
    assert not torch.equal(none[0][2], none1[0][2])


# ------------------------------------------------------------------------------------------------------- numbers


def test_the_numbers_are_those_of_gald_evaluate(straight: Path, root: Path) -> None:
    """Two ways to count: sums kept by picture here, one sum there."""
    best, pairs = straight / "mask" / "1" / "best.safetensors", load_segmentation("camvid", root, "test")
    network, _ = load_model(best)
    predict, metrics = TASK.build_predictor(network), TASK.build_metrics(pairs, complete=True)
    there = measure(TASK, predict, pairs, metrics, create_fabric("cpu"))
    here = json.loads((straight / "mask" / "1" / "test.json").read_text())
    shared = here["scores"].keys() & there.keys()
    assert {"miou", "iou/Pole", "boundary_iou", "boundary_f/3px", "iou_small", "pixel_accuracy"} <= shared
    for key in shared:
        expected = None if math.isnan(there[key]) else pytest.approx(there[key], abs=1e-6)
        assert here["scores"][key] == expected, key
    used = sum(each.numel() for name, each in network.named_parameters() if not name.startswith("aux."))
    assert here["parameters"] == used
    study = json.loads((straight / "study.json").read_text())
    assert study["rows"]["mask"]["test"]["miou"]["by_seed"]["1"] == pytest.approx(there["miou"], abs=1e-6)


def scored(value: float, *drawn: float) -> Scores:
    keys = ("miou", "boundary_iou", "boundary_f/3px", "iou_small", "iou_medium", "iou_large", "iou/Pole")
    keys = (*keys, *(f"band_iou/{each}" for each in ("1px", "3px", "5px", "9px", "15px", "interior")))
    resampled = {key: torch.tensor(drawn, dtype=torch.float64) for key in keys} if drawn else {}
    return Scores({**dict.fromkeys(keys, value), "iou_large": math.nan}, resampled)


FOUND = {
    ("none", 0): scored(0.50),
    ("none", 1): scored(0.60),
    ("none", 2): scored(0.55),
    ("mask", 0): scored(0.49),
    ("mask", 1): scored(0.57),
    ("mask", 2): scored(0.53),
}


def test_means_spreads_and_differences_by_hand() -> None:
    found = over_seeds(FOUND, "none", "miou")
    assert (found.mean, found.spread) == pytest.approx((0.55, 0.05))  # (0.05^2 + 0.05^2 + 0) / 2
    each = difference(FOUND, "mask", "none", "miou")
    assert each.by_seed == pytest.approx({0: -0.01, 1: -0.03, 2: -0.02})
    assert (each.mean, each.spread) == pytest.approx((-0.02, 0.01))
    assert (each.above, each.below) == (0, 3)
    assert signs(each) == "3 seeds of 3 below"
    assert in_words(each) == "-2.00 ± 1.00 points (3 seeds of 3 below)"
    assert difference(FOUND, "mask", "none", "iou_large").by_seed == {}


def test_only_seeds_of_both_rows_are_compared() -> None:
    part = {key: each for key, each in FOUND.items() if key not in (("mask", 0), ("none", 1))}
    each = difference(part, "mask", "none", "miou")
    assert each.by_seed == pytest.approx({2: -0.02})
    assert math.isnan(each.spread)
    assert in_words(each) == "-2.00 points (1 seed of 1 below)"


def test_signs_that_disagree() -> None:
    assert signs(Difference({0: 0.1, 1: 0.2, 2: -0.1}, math.nan, math.nan)) == "2 seeds of 3 above, 1 below"
    assert signs(Difference({0: 0.0, 1: 0.0}, math.nan, math.nan)) == "2 seeds of 2 level"
    assert "interval -1.00 to +2.00, holds zero" in in_words(Difference({0: 0.1}, -0.01, 0.02))
    assert "interval +1.00 to +2.00, without zero" in in_words(Difference({0: 0.1}, 0.01, 0.02))


def test_the_interval_is_of_the_mean_over_seeds_on_the_same_resamples() -> None:
    """Against a loop over resamples in numpy, which counts pictures again one by one."""
    rng = np.random.default_rng(0)
    pictures, weights = 12, draws(torch.arange(12), 200)
    sides: dict[tuple[str, int], np.ndarray] = {}
    for row in ("none", "mask"):
        for seed in (0, 1):
            union = rng.integers(5, 20, (pictures, 1, 2))
            sides[row, seed] = np.concatenate([np.minimum(union, rng.integers(0, 20, (pictures, 1, 2))), union], 1)
    found = {key: score_counts({"iou": torch.tensor(each)}, ["a", "b"], weights) for key, each in sides.items()}

    def miou(counts: np.ndarray, chosen: list[int]) -> float:
        hit, union = counts[chosen].sum(0)
        return float(np.mean(hit / union))

    means = []
    for row in weights.int().tolist():
        chosen = [i for i, times in enumerate(row) for _ in range(times)]
        gains = [miou(sides["mask", seed], chosen) - miou(sides["none", seed], chosen) for seed in (0, 1)]
        means.append(np.mean(gains))
    each = difference(found, "mask", "none", "miou")
    assert (each.low, each.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_the_chart_draws_each_seed_and_colours_only_what_is_sure() -> None:
    """Two pairs: a loss in every seed whose interval leaves out 0, and a gain that one seed contradicts."""
    study = tiny()
    gate = replace(study.rows["none"], model=replace(study.rows["none"].model, ld="gate"))
    study = replace(study, rows={**study.rows, "gate": gate}, seeds=(0, 1, 2))
    drawn = (0.50, 0.51, 0.52)
    found = {("none", seed): scored(0.55, *drawn) for seed in (0, 1, 2)}
    found |= {("mask", seed): scored(0.54 - seed / 100, *(each - 0.02 for each in drawn)) for seed in (0, 1, 2)}
    found |= {("gate", seed): scored(0.54 + seed / 50, *(each + 0.02 for each in drawn)) for seed in (0, 1, 2)}
    svg = ElementTree.fromstring(chart(study, found, {"miou": "mIoU"}, "a & b"))
    discs = [each.attrib for each in svg.iter("{http://www.w3.org/2000/svg}circle")]
    assert [each["class"] for each in discs] == [*["seed loss"] * 3, "loss", *["seed open"] * 3, "open"]
    zero = 216 + 132 / 2  # the panel's middle; its half is 5 points, the next round number above 3
    assert [float(each["cx"]) for each in discs] == pytest.approx(
        [zero + 13.2 * points for points in (-1, -2, -3, -2, -1, 1, 3, 1)], abs=0.1
    )
    assert chart(study, {("none", 0): scored(0.5)}, {"miou": "mIoU"}, "nothing to compare") == ""
    once = {key: each for key, each in found.items() if key[1] == 0}
    assert "loss" not in {
        each.get("class") for each in ElementTree.fromstring(chart(study, once, {"miou": ""}, "")).iter()
    }


def drawn(points: dict[str, tuple[float, ...]]) -> ElementTree.Element:
    """The chart of rows that differ from ``none`` by so many points of mIoU, one number a seed."""
    study = tiny()
    plain = study.rows["none"]
    rows = {row: replace(plain, model=replace(plain.model, channels=n)) for n, row in enumerate(points, 1)}
    study = replace(study, rows={"none": plain, **rows})
    found = {(row, seed): scored(0.55 + each / 100) for row in points for seed, each in enumerate(points[row])}
    found |= {("none", seed): scored(0.55) for seed in range(3)}
    return ElementTree.fromstring(chart(study, found, {"miou": "mIoU"}, ""))


def parts(svg: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [*svg.iter("{http://www.w3.org/2000/svg}" + kind)]


def test_a_few_rows_far_off_press_nothing_together() -> None:
    points = {f"row{n}": (0.3 * n - 1.5 + 0.01,) for n in range(10)} | {"x": (-11.4,), "y": (-16.1,), "z": (19.2,)}
    svg = drawn(points)
    assert {"-2", "+2"} <= {each.text for each in parts(svg, "text")}  # twice the 0.91 of the pair in the middle
    left, right = 216.0, 216.0 + 132.0
    assert [each.attrib["d"].split(" ")[0] for each in parts(svg, "path")] == [f"M{left}", f"M{left}", f"M{right}"]
    assert [each.text for each in parts(svg, "text") if each.get("class") == "far"] == ["-11.4", "-16.1", "+19.2"]
    assert len(parts(svg, "circle")) == 2 * 10


def test_what_of_a_row_goes_beyond_the_axis_is_an_arrow_and_the_rest_is_drawn() -> None:
    svg = drawn(
        {"a": (0.9,), "b": (-0.9,), "out": (-30.0, 1.0, 1.5), "far": (5.0, -1.0, -1.0), "c": (0.8,), "d": (0.7,)}
    )
    assert {"-2", "+2"} <= {each.text for each in parts(svg, "text")}
    rings = [each for each in parts(svg, "circle") if "seed" in each.attrib["class"]]
    assert len(rings) == 4 + 2 + 2
    assert [each.text for each in parts(svg, "text") if each.get("class") == "far"] == ["-9.2"]
    assert len(parts(svg, "path")) == 2  # of "out" to the left, of "far" to the right, its mean inside


def test_the_page_says_losses_first_and_lists_what_is_not_finished() -> None:
    study = tiny()
    gate = replace(study.rows["none"], model=replace(study.rows["none"].model, ld="gate"))
    never = replace(study.rows["none"], model=replace(study.rows["none"].model, ga="cgnl"))
    study = replace(study, rows={**study.rows, "gate": gate, "never": never}, seeds=(0, 1, 2))
    found = {**FOUND, ("gate", 0): scored(0.58), ("gate", 1): scored(0.61)}
    facts = {key: {"parameters": 1_250_000, "macs": 3_000_000_000, "machine": "a machine"} for key in found}
    text = report("tiny", study, (0, 1, 2), {"val": found, "test": found}, facts)
    said_ = [line for line in text.splitlines() if line.startswith("- ")]
    assert [line.split(",")[0] for line in said_] == ["- mask against none", "- gate against none"]
    assert "mIoU -2.00 ± 1.00 points (3 seeds of 3 below)" in said_[0]
    assert "mIoU +4.50 ± 4.95 points (2 seeds of 2 above)" in said_[1]
    assert "8 of 12 trainings are finished" in text
    assert "Not finished: gate (2 of 3), never." in text
    assert "| never |" not in text
    assert "| none | 3 of 3 | 55.00 ± 5.00 | 55.00 ± 5.00 |" in text
    assert "| n/a | 55.00 ± 5.00 | 1.25 | 3.00 |" in text  # large, Pole, and what it costs
    assert "| gate | 2 of 3 | 59.50 ± 2.12 |" in text
    assert "Chosen by the mIoU on val: gate, 59.50 ± 2.12 there, 59.50 ± 2.12 on test." in text


def test_damaged_results_are_named(straight: Path, root: Path, tmp_path: Path) -> None:
    for name, damage in (("val.json", b"{}"), ("test-counts.safetensors", b"x")):
        out = tmp_path / name
        shutil.copytree(straight, out)
        (out / "none" / "0" / name).write_bytes(damage)
        with pytest.raises(UserError, match=name):
            run("tiny", at(root), out, ["none"], [0], lambda: False)


def test_counts_are_read_as_they_were_written(tmp_path: Path) -> None:
    counts = {"iou": torch.arange(12).reshape(3, 2, 2).transpose(1, 2)}
    save_counts(tmp_path / "counts.safetensors", counts)
    assert torch.equal(load_counts(tmp_path / "counts.safetensors")["iou"], counts["iou"])


def test_loading_processes_that_a_stop_ended_are_no_failure(
    straight: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM to the whole process group, as schedulers send it, ends those of an evaluation; torch then raises."""
    out, wished = tmp_path / "out", []
    shutil.copytree(straight, out)
    (out / "mask" / "1" / "test.json").unlink()

    def killed(*arguments: object, **options: object) -> None:
        if len(arguments) == 5:
            wished.append(1)
        raise RuntimeError("a worker was killed")

    monkeypatch.setattr("gald.analysis.study.training.count_pictures", killed)
    stopped = run("tiny", at(root), out, ["mask"], [1], lambda: bool(wished))
    assert stopped == "in row mask, seed 1, while it was measured"
    wished.clear()
    monkeypatch.setattr("gald.analysis.study.training.count_pictures", lambda *_, **__: killed())
    with pytest.raises(RuntimeError, match="killed"):
        run("tiny", at(root), out, ["mask"], [1], lambda: bool(wished))


@pytest.mark.parametrize("workers", [0, 2])
def test_counts_lie_in_the_order_of_the_pictures(straight: Path, root: Path, workers: int) -> None:
    pairs = load_segmentation("camvid", root, "test")
    network, _ = load_model(straight / "none" / "0" / "best.safetensors")
    found = count_pictures(TASK, network, pairs, create_fabric("cpu"), lambda: False, workers=workers, what="test")
    pixels = [torch.bincount(pairs.mask(i).flatten(), minlength=256)[:11].tolist() for i in range(3)]
    assert found["truth"][:, 0].tolist() == pixels
    predict = TASK.build_predictor(network)
    for i in range(3):
        prediction, truth = predict(pairs.image(i)), pairs.mask(i)
        right = ((prediction == truth) & (truth != 255)).sum()
        assert found["iou"][i, 0].sum() == right
