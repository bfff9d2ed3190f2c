"""The demo at toy size: what it writes and says, and that its three heads look at three features of one network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from gald.analysis.explain import demo as body
from gald.analysis.explain.demo import Demo
from gald.analysis.explain.stages import STAGES, StageHeads
from gald.cli import demo as command
from gald.cli.main import main
from gald.images.figure import GAP
from gald.support.errors import UserError

IMAGES = torch.randint(0, 256, (2, 3, 40, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network() -> StageHeads:
    torch.manual_seed(0)
    return StageHeads(5, channels=16).eval()


def tiny(out: Path, seed: int = 0) -> None:
    command.run(Demo(out, steps=2, seed=seed, size=(32, 64), pictures=6))


def test_it_writes_a_picture_and_numbers_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "demo"
    tiny(out)
    said = capsys.readouterr().out
    assert "seed 0, 2 steps of 4 pictures of 64x32; cpu with" in said
    assert torch.__version__ in said
    assert all(f" {stage} " in said for stage in STAGES)
    assert all(name in said for name in ("mIoU", "boundary F at 3 px", "IoU of objects under 32x32", "IoU pole"))
    assert str(out / "demo.png") in said
    assert str(out / "demo.json") in said
    assert "gald predict PHOTO" in said
    assert sorted(each.name for each in out.iterdir()) == ["demo.json", "demo.png"]
    with Image.open(out / "demo.png") as picture:
        assert picture.width >= GAP + 6 * (64 + GAP)
        assert picture.height >= 3 * (32 + GAP)


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        tiny(tmp_path / name, seed)
    one, two, three = ((tmp_path / name / "demo.json").read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert (tmp_path / "one" / "demo.png").read_bytes() == (tmp_path / "two" / "demo.png").read_bytes()
    numbers, others = (json.loads(each, parse_constant=pytest.fail) for each in (one, three))
    assert tuple(numbers["scores"]) == STAGES
    assert numbers["scores"] != others["scores"]
    assert 0 <= numbers["scores"]["F_GALD"]["miou"] <= 1


def test_a_folder_that_cannot_be_written_is_said_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(body, "_train", lambda *_: pytest.fail("trained"))
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"cannot write into .*file.*; choose another --out"):
            command.demo(out)
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--out", str(tmp_path / "file")])
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_what_the_numbers_cannot_bear_is_said() -> None:
    assert "Only 2 steps" in command.caution(2)
    assert "Only" not in command.caution(command.STEPS)
    assert all("try --seed 1" in command.caution(steps) for steps in (2, command.STEPS))


@pytest.mark.parametrize(("steps", "seed", "words"), [(0, 0, "--steps is 0"), (1, -1, "--seed is -1")])
def test_settings_that_cannot_work(tmp_path: Path, steps: int, seed: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        command.demo(tmp_path, steps, seed)


def test_three_features_of_one_shape_that_differ(network: StageHeads) -> None:
    features = network.features(IMAGES)
    assert tuple(features) == STAGES
    assert all(each.shape == (2, 16, 5, 8) for each in features.values())
    values = list(features.values())
    assert not any(torch.allclose(values[i], values[j]) for i, j in ((0, 1), (1, 2), (0, 2)))
    assert all(each.shape == (2, 5, 40, 64) for each in network(IMAGES).values())


def test_the_mask_is_the_one_that_is_used(network: StageHeads) -> None:
    mask, features = network.mask(IMAGES), network.features(IMAGES)
    assert mask.shape == (2, 16, 5, 8)
    assert mask.min() > 0
    assert mask.max() < 1
    torch.testing.assert_close(features["F_GALD"], mask * features["F_GA"] + features["F_GA"])


def test_the_heads_are_of_one_form(network: StageHeads) -> None:
    forms = [[(name, value.shape) for name, value in network.heads[stage].named_parameters()] for stage in STAGES]
    assert forms[0] == forms[1] == forms[2]


def test_each_head_trains_what_lies_below_it_and_nothing_else(network: StageHeads) -> None:
    reached = {}
    for stage, logits in network.train()(IMAGES).items():
        names, parameters = zip(*network.named_parameters(), strict=True)
        gradients = torch.autograd.grad(logits.square().mean(), parameters, retain_graph=True, allow_unused=True)
        alive = {name for name, each in zip(names, gradients, strict=True) if each is not None}
        reached[stage] = {name.split(".")[0] for name in alive if not name.startswith("heads")}
        assert {name.split(".")[1] for name in alive if name.startswith("heads")} == {stage}
    assert reached == {
        "F": {"backbone", "squeeze"},
        "F_GA": {"backbone", "squeeze", "aggregate"},
        "F_GALD": {"backbone", "squeeze", "aggregate", "distribute"},
    }


def numbers(**changed: float) -> dict[str, float]:
    keys = [*command.MEANS.values(), *(f"iou/{name}" for name in command.TWINS + command.THINGS)]
    return dict.fromkeys(keys, 0.5) | changed


def test_what_is_said_of_the_numbers_is_made_of_them() -> None:
    scores = {"F": numbers(), "F_GA": numbers(miou=0.75), "F_GALD": numbers(miou=0.7375, iou_small=float("nan"))}
    first, second = command.changes(scores).splitlines()
    assert first.startswith("Global aggregation (F to F_GA)")
    assert "mIoU +25.0; boundary F at 3 px +0.0;" in first
    assert second.startswith("Local distribution (F_GA to F_GALD)")
    assert "mIoU -1.2;" in second or "mIoU -1.3;" in second
    assert "32x32 n/a" in second
    scores["F_GALD"] = numbers(miou=0.7499)
    assert "mIoU +0.0;" in command.changes(scores).splitlines()[1]  # not -0.0


def test_the_table_is_plain_without_a_terminal() -> None:
    scores = {stage: numbers(miou=share) for stage, share in zip(STAGES, (0.1234, 0.25, 0.5), strict=True)}
    console = Console(width=120)
    with console.capture() as captured:
        console.print(command.table(scores, 64, plain=True))
    lines = captured.get().splitlines()
    assert captured.get().isascii()
    assert [line.split() for line in lines if line.strip().startswith("mIoU")] == [["mIoU", "12.3", "25.0", "50.0"]]
