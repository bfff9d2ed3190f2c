"""What is added to a table is found in every help text that lists it and in messages; errors name flags."""

from __future__ import annotations

import json
import re
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from gald.analysis.study import STUDIES
from gald.block import ORDERS
from gald.block.aggregation import AGGREGATORS
from gald.block.distribution import DISTRIBUTORS
from gald.cli import main as cli
from gald.cli import recipes
from gald.config.recipes import RECIPES, Recipe
from gald.data.registry import DATASETS, DatasetInfo
from gald.engine.submission import SUBMISSIONS


def help_of(*arguments: str) -> str:
    """What ``gald COMMAND ... --help`` prints, on one line."""
    text = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(text), suppress(SystemExit):
        patch.setenv("COLUMNS", "100")
        cli.main([*arguments, "--help"])
    return " ".join(text.getvalue().replace("│", " ").split())


FIRST = json.loads((Path(__file__).parents[1] / "golden" / "flags.json").read_text())


@pytest.mark.parametrize("command", FIRST)
def test_no_flag_is_lost_that_somebody_may_have_in_a_script(command: str) -> None:
    """The file holds the flags that each command had first; there may be more by now."""
    assert set(FIRST[command]) - set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", help_of(*command.split()))) == set()


@pytest.mark.parametrize(
    ("kind", "commands"),
    [
        ("segmentation", [["train", "synthetic"], ["evaluate"], ["compare"], ["score"], ["data"]]),
        ("detection", [["train", "shapes"], ["evaluate"], ["data"]]),
    ],
)
def test_a_new_data_set_is_in_the_help(kind: str, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "marsworld", DatasetInfo("marsworld", "gald.data.datasets.synthetic:synthetic", kind))
    assert [command for command in commands if "marsworld" not in help_of(*command)] == []


@pytest.mark.parametrize("table", [AGGREGATORS, DISTRIBUTORS], ids=["ga", "ld"])
def test_a_new_part_is_in_the_help_and_in_messages(
    table: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(table, "mesmerize", "torch.nn:Identity")
    assert "mesmerize" in help_of("train", "synthetic")
    assert "mesmerize" in help_of("train", "shapes")
    flag = "--ga" if table is AGGREGATORS else "--ld"
    with pytest.raises(SystemExit):
        cli.main(["benchmark", flag, "mesmerise"])
    assert "did you mean 'mesmerize'?" in capsys.readouterr().err


def test_a_new_order_is_in_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ORDERS, "sideways", "neither before nor after")
    for command in (["train", "synthetic"], ["train", "shapes"], ["benchmark"]):
        assert "sideways" in help_of(*command)


def test_a_new_study_and_a_new_server_are_in_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STUDIES, "marsworld", STUDIES["synthetic"])
    monkeypatch.setitem(SUBMISSIONS, "marsworld", SUBMISSIONS["ade20k"])
    assert "marsworld" in help_of("study")
    assert "marsworld" in help_of("submit")


def test_a_new_recipe_is_in_the_help_in_the_table_and_in_messages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RECIPES, "mars_r50", Recipe(RECIPES["synthetic"]().__class__(), "GALD on Mars.\n\nNot run."))
    assert "mars_r50: GALD on Mars." in help_of("train")
    assert "mars_r50: GALD on Mars. Not run." in help_of("train", "mars_r50")
    for arguments in (["train"], ["train", "mars_r5"]):
        with pytest.raises(SystemExit):
            cli.main(arguments)
        said = capsys.readouterr()
        assert "mars_r50" in said.out + said.err


def test_a_new_command_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(cli.COMMANDS, "marsworld", ("gald.cli.demo:demo", "fly there"))
    cli.main(["--help"])
    assert "marsworld  fly there" in capsys.readouterr().out
    assert "Training steps" in help_of("marsworld")
    with pytest.raises(SystemExit):
        cli.main(["marsworl"])
    assert "did you mean 'marsworld'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tile", "0"], "gald: --tile is 0; a tile has 1 pixel or more on each side"),
        (["--overlap", "1"], "gald: --overlap is 1.0; it is a share of a tile, from 0 to below 1"),
        (["--tile", "9", "0"], "gald: --tile is 9 0; a tile has 1 pixel or more on each side"),
        (["--scales", "1", "0"], "gald: --scales is 1.0 0.0; they must be numbers above 0, such as 0.75 1.0 1.25"),
    ],
)
def test_a_view_that_cannot_be_is_refused_before_anything_is_read(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["evaluate"], ["predict", "nothing.png"]):
        with pytest.raises(SystemExit, match="2"):
            cli.main([*words, "--checkpoint", "nowhere.pt", *arguments])
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model.channels", "0"], "gald: --model.channels is 0; it must be at least 1"),
        (["--data.drawn-classes", "1"], "gald: --data.drawn-classes is 1; it must be 2 to 253"),
        (["--micro-batch", "-1"], "gald: --micro-batch is -1; it must be 0 or more"),
        (["--model.pretrained", "--model.weights", "x"], "gald: --model.weights is given beside pretrained"),
    ],
)
def test_a_setting_that_cannot_work_is_named_as_it_was_typed(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", "synthetic", *arguments])
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--out", "--config"])
def test_a_flag_of_train_without_its_value_is_one_sentence(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", *["synthetic"] * (flag == "--out"), flag])
    said = capsys.readouterr().err
    assert said.startswith(f"gald: {flag} ")
    assert said.count("\n") == 1


def test_names_of_recipes_are_whole_on_a_narrow_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recipes, "console", lambda _: Console(width=80))
    recipes.show_recipes()
    said = capsys.readouterr().out.split()
    assert [name for name in RECIPES if name not in said] == []
