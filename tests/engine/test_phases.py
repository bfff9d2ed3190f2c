"""A run of several parts: stopped in its second part and resumed, on one process and on two; and what it refuses."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fake import cityscapes, mapillary
from running import gald, interrupt, interrupt_step, line, lines

from gald.cli.train import departures, train
from gald.config.network import SegmenterConfig
from gald.config.recipes import RECIPES
from gald.config.serialization import to_json
from gald.config.settings import LossConfig, PhaseConfig, SegmentationConfig, SegmentationDataConfig
from gald.engine import checkpoint
from gald.engine.build import training_fabric
from gald.engine.phases import phases_of
from gald.engine.run import Run, train_phase
from gald.support.device import create_fabric
from gald.support.errors import UserError

COARSE = PhaseConfig("coarse", train_split="train_extra", crop=(48, 48), batch=2, frozen_norm=True)
VISTAS = PhaseConfig("vistas", data="mapillary19", train_split="train", steps=1)
FINE = PhaseConfig("fine", steps=1, lr=0.001)
PLAN = SegmentationConfig(
    model=SegmenterConfig(backbone="test_resnet", channels=16, output_stride=16),
    data=SegmentationDataConfig(name="cityscapes", crop=(32, 48), train_split="trainval", workers=0),
    loss=LossConfig(min_kept=100),
    steps=2,
    batch=4,
    log_every=1,
    save_every=1,
    accelerator="cpu",
    then=(COARSE, FINE),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cityscapes.write(tmp_path_factory.mktemp("cityscapes"))


@pytest.fixture(scope="module")
def vistas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mapillary.write(tmp_path_factory.mktemp("vistas"))


def plan_at(root: Path, **changes: object) -> SegmentationConfig:
    return replace(PLAN, data=replace(PLAN.data, root=root), **changes)


@pytest.fixture(scope="module")
def straight(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three parts that nothing stopped."""
    out = tmp_path_factory.mktemp("straight")
    train(plan_at(root), out)
    return out


def assert_same(first: Path, second: Path) -> None:
    for part in ("1-begin", "2-coarse", "3-fine"):
        one, other = (checkpoint.load(run / part / "last.pt") for run in (first, second))
        assert one.step == other.step
        assert all(torch.equal(value, other.weights[name]) for name, value in one.weights.items())
        trained = [each["step"] for each in lines(second / part / "metrics.jsonl") if each["kind"] == "train"]
        assert trained == [*range(1, one.step + 1)]


@pytest.mark.parametrize("step", [2, 3, 5], ids=["at the end of the first", "in the second", "in the last step"])
def test_a_run_that_was_stopped_in_a_part_ends_bit_for_bit_like_one_that_was_not(
    root: Path, straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    interrupt_step(step, monkeypatch)
    if step == 5:  # the last of all: nothing is left to do
        train(plan_at(root), tmp_path)
    else:
        with pytest.raises(SystemExit, match="130"):
            train(plan_at(root), tmp_path)
        train(plan_at(root), tmp_path, resume=True)
    assert_same(straight, tmp_path)


def test_two_processes_stopped_in_the_second_part_by_the_real_command(root: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(to_json(plan_at(root, then=(replace(COARSE, steps=6), FINE), devices=2)))
    straight = gald("train", "--config", plan, "--out", tmp_path / "straight")
    assert straight.returncode == 0, straight.stderr
    said = [each for each in straight.stdout.splitlines() if each.startswith("part ")]
    assert said == [
        "part 1 of 3, begin: 2 steps of 4 pictures, cityscapes trainval, crop 32x48, rate 0.01",
        "part 2 of 3, coarse: 6 steps of 2 pictures, cityscapes train_extra, crop 48x48, rate 0.01, frozen batch norm",
        "part 3 of 3, fine: 1 steps of 4 pictures, cityscapes trainval, crop 32x48, rate 0.001",
    ]  # once, however many processes there are

    out = tmp_path / "stopped"
    command = line("train", "--config", plan, "--out", out)
    stopped = interrupt(command, 2 + 3, signal.SIGINT)  # in the third step of the second part
    assert stopped.returncode == 130, stopped.stderr
    assert f"saved in {out / '2-coarse' / 'last.pt'}; go on with --resume" in stopped.stdout
    assert not (out / "3-fine").exists()
    resumed = gald("train", "--resume", "--out", out)
    assert resumed.returncode == 0, resumed.stderr
    assert "part 1 of 3" not in resumed.stdout

    assert_same(tmp_path / "straight", out)


def test_a_part_begins_with_the_weights_of_the_part_before(root: Path, tmp_path: Path) -> None:
    """Stopped before its first step, it holds them bit for bit; where batch norm is frozen, it keeps the norms'."""
    plan = plan_at(root)
    train(replace(plan, then=(COARSE,)), tmp_path / "run")
    first, coarse = phases_of(plan, tmp_path / "run")[:2]
    again = tmp_path / "again"
    train_phase(replace(coarse, folder=again), training_fabric(plan), lambda: True)
    before, begun, ended = (checkpoint.load(each / "last.pt") for each in (first.folder, again, coarse.folder))
    assert (begun.step, ended.step) == (0, 2)
    assert all(torch.equal(value, before.weights[name]) for name, value in begun.weights.items())
    norms = [name.removesuffix("running_mean") for name in before.weights if name.endswith("running_mean")]
    frozen = {name for name in before.weights if any(name.startswith(norm) for norm in norms)}
    assert len(frozen) == 5 * len(norms) > 0
    assert all(torch.equal(ended.weights[name], before.weights[name]) for name in frozen)
    learned = [name for name in before.weights.keys() - frozen if name not in ("mean", "std")]
    assert sum(not torch.equal(ended.weights[name], before.weights[name]) for name in learned) > len(learned) / 2


def test_the_second_parts_data_and_rate_are_its_own(root: Path, vistas: Path, tmp_path: Path) -> None:
    plan = plan_at(root, then=(replace(VISTAS, root=vistas), FINE))
    train(plan, tmp_path)
    begin, other, fine = (checkpoint.load(each.folder / "last.pt").config for each in phases_of(plan, tmp_path))
    assert (begin.data.root, other.data.root, fine.data.root) == (root, vistas, root)
    assert (begin.data.name, other.data.name, fine.data.name) == ("cityscapes", "mapillary19", "cityscapes")
    assert (begin.optim.lr, other.optim.lr, fine.optim.lr) == (0.01, 0.01, 0.001)
    assert begin.init is None
    assert fine.init == tmp_path / "2-vistas" / "last.pt"
    rates = [each["lr"] for each in lines(tmp_path / "3-fine" / "metrics.jsonl") if each["kind"] == "train"]
    assert rates == [0.001]


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        (VISTAS, r"part 2 of 3, vistas, trains on another data set, mapillary19: say where .* --then\.0\.root ROOT"),
        (replace(VISTAS, root=Path("nowhere")), r"part 2 of 3, vistas: the data folder nowhere does not exist"),
        (replace(COARSE, train_split="nowhere"), r"part 2 of 3, coarse: unknown split 'nowhere'"),
        (replace(VISTAS, data="mapillary"), r"part 2 of 3, vistas: mapillary has 65 classes and .* has 19"),
        (replace(COARSE, batch=3), r"part 2 of 3, coarse: a batch of 3 does not divide"),
    ],
    ids=["no root", "wrong root", "split", "classes", "batch"],
)
def test_what_a_later_part_lacks_is_told_before_the_first(
    root: Path, vistas: Path, tmp_path: Path, phase: PhaseConfig, words: str
) -> None:
    if phase.data == "mapillary":
        phase = replace(phase, root=vistas)
    with pytest.raises(UserError, match=words):
        train(plan_at(root, then=(phase, FINE), micro_batch=2), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_plan_is_refused_and_the_first_one_stays(root: Path, tmp_path: Path) -> None:
    plan = plan_at(root, then=(FINE,))
    train(plan, tmp_path)
    kept = (tmp_path / "config.json").read_bytes()
    for other, words in (
        (replace(plan, then=(replace(FINE, lr=0.1),)), r"other settings \(then\.0\.lr was 0\.001, is 0\.1\)"),
        (replace(plan, then=(COARSE, FINE)), r"other settings \(then\.0\.name was fine, is coarse"),
    ):
        with pytest.raises(UserError, match=words):
            train(other, tmp_path, resume=True)
    with pytest.raises(UserError, match="holds a run already: go on with it by --resume"):
        train(replace(plan, seed=7), tmp_path)
    with pytest.raises(UserError, match="holds a run of several parts"):
        train(replace(plan, then=()), tmp_path)
    assert (tmp_path / "config.json").read_bytes() == kept


def test_a_run_of_one_is_not_written_over_by_one_of_several_parts(root: Path, tmp_path: Path) -> None:
    train(plan_at(root, then=(), steps=1), tmp_path)
    for resume in (False, True):
        with pytest.raises(UserError, match="holds a run already"):
            train(plan_at(root), tmp_path, resume=resume)


def test_later_parts_never_go_on_from_strangers(root: Path, straight: Path, tmp_path: Path) -> None:
    """Once the first part is gone, what is left of the others was trained from other weights."""
    out = tmp_path / "run"
    shutil.copytree(straight, out)
    shutil.rmtree(out / "1-begin")
    for resume in (False, True):
        with pytest.raises(UserError, match="2-coarse holds a run already"):
            train(plan_at(root), out, resume=resume)
    with pytest.raises(UserError, match="holds no run of several parts to resume"):
        train(plan_at(root), tmp_path / "nothing", resume=True)
    with pytest.raises(UserError, match="other settings .optim.lr was"):
        train(plan_at(root, optim=replace(PLAN.optim, lr=0.5)), straight, resume=True)


def test_a_part_that_was_not_validated_is_not_finished(root: Path, straight: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(straight, out)
    plan = plan_at(root)
    resumed = Run(plan, phases_of(plan, out), out, resume=True)
    assert resumed.check().finished == 3
    log = out / "3-fine" / "metrics.jsonl"
    log.write_text("".join(line for line in log.read_text().splitlines(True) if '"val"' not in line))
    start = resumed.check()
    assert start.finished == 2
    assert start.saved is not None
    assert start.saved.step == 1


@pytest.mark.parametrize(
    ("phase", "sentence"),
    [
        (PhaseConfig("coarse", steps=0), "part 2 of 2, coarse: steps is 0"),
        (PhaseConfig("coarse", crop=(8, 8)), "part 2 of 2, coarse: data.crop is"),
        (PhaseConfig("../x"), "its name becomes a folder; use letters, digits, - and _"),
    ],
)
def test_what_is_wrong_with_a_part_names_it(phase: PhaseConfig, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        train(replace(PLAN, data=replace(PLAN.data, root=tmp_path), then=(phase,)), tmp_path / "run")


def test_departures_that_decide_the_number_are_said() -> None:
    recipe = RECIPES["cityscapes_r50_psp"]()
    for changes in ({"model": replace(recipe.model, pretrained=False)}, {"init": Path("old.pt")}, {"val_every": 7}):
        assert len(departures("r", recipe, replace(recipe, **changes))) == 1
    assert departures("r", recipe, replace(recipe, data=replace(recipe.data, root=Path("x")))) == []


def test_what_a_recipe_needs_first_is_told_before_any_process_starts() -> None:
    with pytest.raises(UserError, match="'cityscapes' needs the folder it lies in: --data.root ROOT"):
        train(RECIPES["cityscapes_test_r101_coarse"]())
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="999 devices, and no GPU here: give --devices 1"):
            create_fabric("auto", devices=999)
