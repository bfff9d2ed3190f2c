"""A data set is one file and one line: then messages, the commands and a training know it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name
from shutil import copytree, ignore_patterns

import pytest
from fake.streets import label, picture
from running import ENVIRONMENT, PATIENCE, TINY

from gald.data.registry import DATASETS, DatasetInfo, dataset_names, load_detection, load_segmentation, splits
from gald.support.errors import UserError

PACKAGE = Path(__file__).parents[2] / "gald"
FILE = '''
"""Two kinds of ground."""

from pathlib import Path

from gald.data.labels import Label
from gald.data.files import SampleFiles
from gald.data.segmentation import SegmentationDataset

LABELS = (Label("land", (90, 140, 60), 0), Label("sea", (40, 80, 200), 1))


def coasts(root: Path, split: str) -> SegmentationDataset:
    pairs = [SampleFiles(path.stem, path, path.with_suffix(".png")) for path in sorted((root / split).glob("*.jpg"))]
    return SegmentationDataset(pairs, LABELS)


def splits(root: Path) -> list[str]:
    return [name for name in ("train", "val") if (root / name).is_dir()]
'''
LINE = '        DatasetInfo("coasts", "gald.data.datasets.coasts:coasts", "segmentation"),\n'


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of the new data set."""
    root = tmp_path_factory.mktemp("coasts")
    for split in ("train", "val"):
        for seed in range(4):
            picture(root / split / f"{seed}.jpg", (32, 48), seed)
            label(root / split / f"{seed}.png", (0, 1), (32, 48))
    return root


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with one more file and one more line."""
    house = tmp_path_factory.mktemp("house")
    copytree(PACKAGE, house / "gald", ignore=ignore_patterns("__pycache__"))
    (house / "gald/data/datasets/coasts.py").write_text(FILE)
    registry = house / "gald/data/registry.py"
    before, first, after = registry.read_text().partition('        DatasetInfo("camvid"')
    registry.write_text(before + LINE + first + after)
    return house


SCRIPT = """
import contextlib, io, json, sys
from gald.cli import main as cli
done = []
for words in json.loads(sys.argv[1]):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(words)
        except SystemExit as exit:
            code = exit.code or 0
    done.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(done))
"""


def gald(house: Path, *commands: tuple[object, ...]) -> list[tuple[int, str, str]]:
    """Run the copy's commands one after the other in one process: exit code, output and errors of each."""
    paths = os.pathsep.join([str(house), *filter(None, [os.environ.get("PYTHONPATH")])])
    words = json.dumps([[*map(str, command)] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, words],
        cwd=house, env={**ENVIRONMENT, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [(code, out, err) for code, out, err in json.loads(done.stdout.splitlines()[-1])]


def test_one_file_and_one_line_are_a_data_set(house: Path, root: Path) -> None:
    looked, misspelt, rootless = gald(house, ("data", "coasts", root), ("data", "coats", root), ("data", "coasts"))
    assert looked[0] == 0, looked
    assert ["1", "sea", *["50.00", "%", "(4)"] * 2] in [line.split() for line in looked[1].splitlines()]
    assert (house / "gald-data/contact_sheet.png").is_file()
    assert misspelt == (2, "", "gald: unknown data set 'coats'; did you mean 'coasts'?\n")
    assert rootless[2].startswith("gald: the data set 'coasts' needs the folder it lies in: gald data coasts ROOT")


def test_help_lists_it(house: Path) -> None:
    commands = [("data",), ("train", "synthetic"), ("evaluate",), ("compare",), ("score",)]
    for command, (code, out, err) in zip(
        commands, gald(house, *((*words, "--help") for words in commands)), strict=True
    ):
        assert code == 0, err
        assert "coasts" in out, command


def test_it_can_be_trained_on(house: Path, root: Path) -> None:
    where = ("--data.name", "coasts", "--data.root", root, "--out", house / "run", "--model.no-pretrained")
    ((code, _, err),) = gald(house, ("train", "synthetic", *where, *TINY, "--steps", "2"))
    assert code == 0, err
    config = json.loads((house / "run/config.json").read_text())
    assert config["data"]["name"] == "coasts"
    assert (house / "run/best.safetensors").is_file()


def test_a_line_of_the_table_may_name_any_module(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_coasts.py").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(DATASETS, "coasts", DatasetInfo("coasts", "my_coasts:coasts", "segmentation"))
    assert "coasts" in dataset_names("segmentation")
    assert "coasts" not in dataset_names("detection")
    assert splits("coasts", root) == ["train", "val"]
    assert len(load_segmentation("coasts", root, "val")) == 4


def test_names_are_listed_by_kind() -> None:
    assert dataset_names() == sorted(DATASETS)
    assert dataset_names("detection") == ["coco", "coco_folder", "shapes", "voc0712", "voc_folder"]
    assert {*dataset_names("detection"), *dataset_names("segmentation")} == DATASETS.keys()
    assert [name for name, info in DATASETS.items() if info.name != name] == []


def test_a_data_set_of_the_other_kind_is_told() -> None:
    with pytest.raises(UserError, match="'coco' has boxes, for detectors; here it takes one with label maps"):
        load_segmentation("coco", None, "train")
    with pytest.raises(UserError, match="unknown data set with boxes 'camvid'"):
        load_detection("camvid", None, "train")
    with pytest.raises(UserError, match=r"'camvit'; did you mean 'camvid'"):
        splits("camvit", None)


def test_the_table_needs_no_torch() -> None:
    code = (
        "import sys, gald.data.registry as r; r.dataset_names(); sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=False).returncode == 0


@pytest.mark.parametrize("info", DATASETS.values(), ids=DATASETS)
def test_every_line_leads_to_a_data_set_and_its_splits(info: DatasetInfo) -> None:
    for function in (info.function, f"{info.function.partition(':')[0]}:splits"):
        assert callable(resolve_name(function))
