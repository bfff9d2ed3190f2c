"""Cityscapes' scores equal those of the official cityscapesScripts, to the last digit that it prints, and beyond.

Its numbers for one tree with planted errors are recorded in golden/cityscapes_scores.json; so every run compares with
them. Where ``GALD_CITYSCAPES_PYTHON`` names the Python of an environment that has the package, the script itself runs
too, on more trees. It has an environment of its own, because the package brings a ``typing`` that hides Python's.

Record again: ``GALD_CITYSCAPES_PYTHON=cs/bin/python python tests/engine/test_cityscapes_scripts.py``
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from fake import scored_cityscapes as fake

from gald.cli.score import score
from gald.data.registry import load_segmentation
from gald.engine.scoring import cityscapes

HERE = Path(__file__).parents[1]
RECORDED = HERE / "golden" / "cityscapes_scores.json"
MAKE = 'python3.11 -m venv cs && cs/bin/pip install cityscapesScripts "numpy<2.4"'
KEYS = {  # the official script's -> ours
    "classScores": "iou_class",
    "classInstScores": "iiou_class",
    "categoryScores": "iou_category",
    "categoryInstScores": "iiou_category",
}


def official(root: Path, predictions: Path) -> dict[str, Any]:
    """What the official script says, run by its own Python."""
    python = os.environ.get("GALD_CITYSCAPES_PYTHON")
    if python is None:
        pytest.skip(f"no cityscapesScripts: `{MAKE}`, then set GALD_CITYSCAPES_PYTHON=cs/bin/python")
    command = [python, str(HERE / "golden" / "cityscapes_scripts.py"), str(root), str(predictions)]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_equal(found: dict[str, float], expected: dict[str, Any]) -> None:
    scores = expected["scores"]
    for theirs, ours in KEYS.items():
        names = [key.partition("/")[2] for key in found if key.startswith(f"{ours}/")]
        for name, value in scores[theirs].items():
            if name in names:
                same(found[f"{ours}/{name}"], value)
            else:
                assert value is None, f"{name} is scored there"
        same(found[ours], scores[ours])
    printed = [f"{name:<14}: {first}    {second}" for name, first, second in rows(found)]
    assert printed == [line for line in expected["printed"] if ": " in line and "Average" not in line]


def same(found: float, expected: float | None) -> None:
    assert cityscapes.decimals(found) == ("n/a" if expected is None else f"{expected:.3f}")
    assert found == pytest.approx(float("nan") if expected is None else expected, rel=1e-12, nan_ok=True)


def rows(found: dict[str, float]) -> list[tuple[str, str, str]]:
    """Name, IoU and iIoU as the script prints them."""
    both = [(key, f"i{key}") for key in found if key.startswith(("iou_class/", "iou_category/"))]
    return [(one.partition("/")[2], f"{found[one]:>5.3f}", f"{found[two]:>5.3f}") for one, two in both]


def test_equal_to_the_recorded_numbers(tmp_path: Path) -> None:
    predictions = fake.write(tmp_path)
    expected = json.loads(RECORDED.read_text())
    assert len([value for value in expected["scores"]["classInstScores"].values() if value]) > 5
    check_equal(cityscapes.score(predictions, load_segmentation("cityscapes", tmp_path, "val")), expected)


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_the_official_script(tmp_path: Path, seed: int) -> None:
    predictions = fake.write(tmp_path, seed)
    check_equal(
        cityscapes.score(predictions, load_segmentation("cityscapes", tmp_path, "val")), official(tmp_path, predictions)
    )


def test_the_command_prints_the_official_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score("cityscapes", fake.write(tmp_path), tmp_path)
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    shown = {tuple(each) for each in cells if len(each) == 3}
    lines = [line.partition(":") for line in json.loads(RECORDED.read_text())["printed"] if ": " in line]
    assert len(lines) == 19 + 7 + 2
    for name, _, values in lines:
        name = name.strip().replace("Score Average", "mean")
        assert (name, *values.replace("nan", "n/a").split()) in shown


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        RECORDED.write_text(json.dumps(official(Path(folder), fake.write(Path(folder))), indent=1) + "\n")
