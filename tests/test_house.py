"""Holds the drawing true: imports go down the floors, tables are complete, versions and commands agree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from functools import cache
from graphlib import TopologicalSorter
from io import StringIO
from pathlib import Path

import pytest
import torch

import gald
from gald.block import ORDERS
from gald.block.aggregation import AGGREGATORS
from gald.block.distribution import DISTRIBUTORS
from gald.cli import main as cli
from gald.config.recipes import RECIPES
from gald.config.serialization import from_json, to_json
from gald.config.settings import SegmentationConfig
from gald.data.registry import dataset_names
from gald.models.segmenter import Segmenter

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gald"


# ------------------------------------------------------------------------------------------------------ the floors

FLOORS = {
    "support": 0, "config": 1, "block": 2, "metrics": 2, "images": 2, "data": 3, "models": 3, "engine": 4,
    "analysis": 5, "deploy": 5, "cli": 6, "web": 6,
}  # fmt: skip
MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}


def rooms_imported(path: Path) -> set[str]:
    """The packages of ours that a file imports anywhere, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("gald.")}
    return found - {"__version__"}


def test_the_top_of_the_package_is_rooms():
    entries = {path.name for path in PACKAGE.iterdir()} - {"__pycache__"}
    assert entries - {"__init__.py", "py.typed"} <= FLOORS.keys()


@pytest.mark.parametrize("module", [name for name in MODULES if name != "__init__"])
def test_imports_go_down(module: str):
    room = module.split(".")[0]
    upwards = {other for other in rooms_imported(MODULES[module]) - {room} if FLOORS[other] >= FLOORS[room]}
    assert not upwards, f"gald.{module} (floor {FLOORS[room]}) imports {upwards}"


def imported_at_once(name: str) -> set[str]:
    """The modules of ours that a module imports while it is loaded itself."""
    found: set[str] = set()
    for node in ast.parse(MODULES[name].read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
    ours = {module.removeprefix("gald.") for module in found if module.startswith("gald.")}
    return {module for path in ours for module in (path, f"{path}.__init__") if module in MODULES} - {name}


def test_no_two_modules_wait_for_each_other():
    TopologicalSorter({name: imported_at_once(name) for name in MODULES}).prepare()


@pytest.mark.parametrize("room", sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")))
def test_a_room_says_what_it_is_for(room: str):
    assert (ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())) or "").endswith(".")


def test_help_does_not_wait_for_torch():
    script = """
import contextlib, io, sys
from gald.cli import main as cli
for arguments in [["--help"], ["--version"], *([name, "--help"] for name in cli.COMMANDS)]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        cli.main(arguments)
    heavy = sorted({"torch", "torchvision", "timm", "numpy", "torchmetrics"} & set(sys.modules))
    assert not heavy, f"gald {' '.join(arguments)} imports {heavy}"
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------------------------ the tables


@cache
def help_of(*arguments: str) -> str:
    """What ``gald COMMAND [RECIPE] --help`` prints."""
    text = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(text), suppress(SystemExit):
        patch.setenv("COLUMNS", "100")
        cli.main([*arguments, "--help"])
    return text.getvalue()


@pytest.mark.parametrize(
    ("table", "flag"),
    [
        (AGGREGATORS, "--model.ga"),
        (DISTRIBUTORS, "--model.ld"),
        (ORDERS, "--model.order"),
        (dict.fromkeys(dataset_names("segmentation")), "--data.name"),
    ],
    ids=["ga", "ld", "order", "data"],
)
def test_help_lists_what_a_table_holds(table: dict[str, object], flag: str):
    said = help_of("train").split(flag)[1].split("--")[0]
    assert [name for name in table if not re.search(rf"(?<![\w-]){name}(?![\w-])", said)] == []


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_builds_its_network_and_says_what_it_is(name: str):
    recipe = RECIPES[name]
    assert recipe.summary.endswith(".")
    settings = recipe()
    assert from_json(to_json(settings)) == settings
    if not isinstance(settings, SegmentationConfig):
        return
    small = replace(settings.model, backbone="test_resnet", pretrained=False, weights=None)
    network = Segmenter.from_config(small, num_classes=5).train()
    outputs = network(torch.randint(256, (2, 3, 33, 49), dtype=torch.uint8))
    assert {each.shape for each in outputs.values()} == {(2, 5, 33, 49)}
    assert ("aux" in outputs) == settings.model.aux


# ------------------------------------------------------------------------------------------------- one truth each


def test_one_version():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == gald.__version__
    assert f"\nversion: {gald.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_ci_and_make_run_the_same():
    make, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci/run").read_text()
    check = {
        line.strip().removeprefix("$(PYTHON) ") for line in make.split("check:")[1].split("format:")[0].splitlines()
    }
    linters = set(re.findall(r"^\"\$venv/bin/python\" (.*)$", ci, flags=re.MULTILINE))
    assert linters | {"-m pytest"} == {line for line in check if line.startswith("-m ")}


def test_ci_finds_the_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    for name, ending in (("install", "gald demo"), ("test", "-m pytest")):
        [command] = re.findall(rf"^<!-- {name} -->\n```sh\n(.*)\n```\n<!-- /{name} -->$", readme, flags=re.MULTILINE)
        assert command.endswith(ending)
        assert command.startswith("python3.11 -m venv .venv && .venv/bin/pip install ")
