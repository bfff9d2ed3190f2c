"""Holds the drawing true: imports go down the floors, the documents' code and commands work, tables are complete."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
import torch
from definitions import BLIND_TO_POSITIONS

import gald
from gald.analysis.profiling.count import macs
from gald.block import ORDERS, part_class
from gald.block.aggregation import AGGREGATORS
from gald.block.distribution import DISTRIBUTORS
from gald.cli import main as cli
from gald.config.recipes import RECIPES
from gald.config.settings import SegmentationConfig, from_json, to_json
from gald.data.registry import dataset_names
from gald.engine.tasks.segmentation import build_segmenter

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gald"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README = (ROOT / "README.md").read_text()


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


# --------------------------------------------------------------------------------------------------- the documents


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", blocks(README, "python"), ids=lambda block: block.splitlines()[-1][:40])
def test_python_in_the_readme_runs(block: str):
    exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_python_in_the_documents_names_what_is_there(path: Path):
    for block in blocks(path.read_text(), "python"):
        imports = [node for node in ast.parse(block).body if isinstance(node, (ast.Import, ast.ImportFrom))]
        exec(compile(ast.Module(imports, []), path.name, "exec"), {})


def commands(text: str) -> list[list[str]]:
    """The arguments of every ``gald`` in the shell blocks, also behind ``&&``, srun and torchrun."""
    found = []
    for block in blocks(text, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|", line):
                words = shlex.split(part, comments=True)
                places = [i for i, word in enumerate(words) if Path(word).name in ("gald", "gald.cli.main")]
                found += [words[places[0] + 1 :]] if places else []
    return found


@cache
def help_of(*arguments: str) -> str:
    """What ``gald COMMAND [RECIPE] --help`` prints."""
    text = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(text), suppress(SystemExit):
        patch.setenv("COLUMNS", "100")
        cli.main([*arguments, "--help"])
    return text.getvalue()


def flags(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", text))


COMMANDS = {" ".join(words): words for path in DOCUMENTS for words in commands(path.read_text())}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_commands_in_the_documents_exist_with_their_flags(words: list[str]):
    recipe = words[1:2] if words[0] == "train" and not words[1].startswith("-") else []
    assert flags(" ".join(words)) <= flags(help_of(words[0], *recipe))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_flags_in_the_text_exist(path: Path):
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`gald ([a-z]\w*)", text)) <= {*cli.COMMANDS}
    known = set().union(*(flags(help_of(name)) for name in cli.COMMANDS), flags(help_of("train", "shapes")))
    others = {"--help", "--strict", "--check", "--ntasks", "--ntasks-per-node"}  # of mypy, ruff and SLURM
    quoted = re.findall(r"`([^`]*)`", text)
    assert set().union(*map(flags, quoted)) <= known | others


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).is_file(), target


def test_every_page_is_reached_from_the_readme():
    docs = ROOT / "docs"
    assert [page.name for page in docs.glob("*.md") if f"(docs/{page.name})" not in README] == []
    data = (docs / "data.md").read_text()
    assert [page.name for page in docs.glob("data/*.md") if f"(data/{page.name})" not in data] == []


# ------------------------------------------------------------------------------------------------------ the tables


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
    assert [name for name in table if not re.search(rf"(?<![\w-]){name}(?![\w-])", said)] == [], "say it in config.py"


def test_the_documents_list_the_recipes():
    pages = README + (ROOT / "docs" / "protocols.md").read_text()
    assert [name for name in RECIPES if f"`{name}`" not in pages] == []


@pytest.mark.parametrize("table", [AGGREGATORS, DISTRIBUTORS, ORDERS], ids=["ga", "ld", "order"])
def test_the_readme_lists_what_a_table_holds(table: dict[str, object]):
    assert [name for name in table if f"`{name}`" not in README] == []


@pytest.mark.parametrize("name", [*AGGREGATORS, *(name for name in DISTRIBUTORS if name != "none")])
def test_the_page_to_choose_by_is_right_about(name: str):
    """Weights and multiplications at 512 channels, counted again, and who is blind to positions."""
    page = (ROOT / "docs" / "choosing.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    *numbers, mind = row.strip("| ").split(" | ")[2:]
    part = part_class((AGGREGATORS | DISTRIBUTORS)[name])(512)
    weights = sum(parameter.numel() for parameter in part.parameters())
    multiplications = [macs(part, (1, 512, side, side)) for side in (49, 97)]
    assert numbers == [f"{weights / 1e6:.2f}", *(f"{each / 1e9:.1f}" for each in multiplications)]
    assert ("blind" in mind) == (name in BLIND_TO_POSITIONS)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_builds_its_network_and_says_what_it_is(name: str):
    recipe = RECIPES[name]
    assert recipe.summary.endswith(".")
    settings = recipe()
    assert from_json(to_json(settings)) == settings
    if not isinstance(settings, SegmentationConfig):
        return
    small = replace(settings.model, backbone="test_resnet", pretrained=False, weights=None)
    network = build_segmenter(small, num_classes=5).train()
    outputs = network(torch.randint(256, (2, 3, 33, 49), dtype=torch.uint8))
    assert {each.shape for each in outputs.values()} == {(2, 5, 33, 49)}
    assert ("aux" in outputs) == settings.model.aux


# ------------------------------------------------------------------------------------------------- one truth each


def test_one_version():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == gald.__version__
    assert f"\nversion: {gald.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert gald.__version__ in (ROOT / "CHANGELOG.md").read_text()


def test_ci_and_make_run_the_same():
    make, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci/run").read_text()
    check = {
        line.strip().removeprefix("$(PYTHON) ") for line in make.split("check:")[1].split("format:")[0].splitlines()
    }
    linters = set(re.findall(r"^\"\$venv/bin/python\" (.*)$", ci, flags=re.MULTILINE))
    assert linters | {"-m pytest"} == {line for line in check if line.startswith("-m ")}


def test_ci_finds_the_commands_of_the_readme():
    for name, ending in (("install", "gald demo"), ("test", "-m pytest")):
        [command] = re.findall(rf"^<!-- {name} -->\n```sh\n(.*)\n```\n<!-- /{name} -->$", README, flags=re.MULTILINE)
        assert command.endswith(ending)
        assert command.startswith("python3.11 -m venv .venv && .venv/bin/pip install ")
