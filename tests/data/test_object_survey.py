"""``gald data`` on data sets with boxes: counts by size, every fault named, the sheet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake import coco as fake_coco
from fake import voc0712 as fake_voc

from gald.cli.data import data
from gald.data.checks.detection import contact_sheet, never_seen, rows, survey
from gald.data.registry import load_detection
from gald.images.io import read_image
from gald.support.errors import UserError


def table(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines()]


def test_a_sound_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = fake_voc.write_folder(tmp_path / "a")
    for note in (root / "Annotations").glob("*_1.xml"):
        fake_voc.annotation(note, [("cell", (1, 1, 40, 40), 0), ("nucleus", (1, 1, 32, 32), 1)])
    data("voc_folder", root, out=tmp_path / "out", samples=4)
    printed = capsys.readouterr().out
    lines = table(printed)
    assert ["id", "class", "train", "val"] in lines
    assert ["pictures", "3", "3"] in lines
    assert ["size", "60x40", "60x40"] in lines
    assert ["without", "objects", "1", "1"] in lines
    assert ["objects", *(["5:", "4", "+", "1", "+", "0"] * 2)] in lines
    assert ["ignored", "(difficult,", "crowd)", "1", "1"] in lines
    assert ["1", "cell", *(["3:", "2", "+", "1", "+", "0", "(2)"] * 2)] in lines
    assert "no problems found" in printed
    assert read_image(tmp_path / "out/contact_sheet.png").shape[1] > 200


def test_every_fault_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = fake_voc.write_folder(tmp_path / "a")
    (root / "classes.txt").write_text("cell\nnucleus\nghost\n")
    notes = root / "Annotations"
    wrong = [
        ("blob", (1, 1, 5, 5), 0),
        ("cell", (1, 1, 500, 5), 0),
        ("cell", (7, 7, 7, 7), 0),
        ("cell", (1, 1, 3, 3), 0),
    ]
    fake_voc.annotation(notes / "train_0.xml", wrong)
    fake_voc.annotation(notes / "train_1.xml", [], size="")
    fake_voc.picture(root / "JPEGImages" / "val_0.jpg", (10, 10))
    (notes / "val_1.xml").unlink()
    with pytest.raises(SystemExit) as exit_:
        data("voc_folder", root, out=tmp_path / "out")
    assert exit_.value.code == 1
    found = (tmp_path / "out/problems.txt").read_text().splitlines()
    for sentence in (
        f"train: object 1 (blob) of {notes / 'train_0.xml'} is of a class that is not in the list",
        f"train: object 2 (cell) of {notes / 'train_0.xml'} has the box x 0 to 500",
        f"train: object 3 (cell) of {notes / 'train_0.xml'} has a box without width or height, x 7 to 7",
        f"train: annotation {notes / 'train_1.xml'} has no <size>",
        f"val: {notes / 'val_0.xml'} is for 60x40 pixels, {root / 'JPEGImages/val_0.jpg'} is 10x10",
        f"val: {notes / 'val_1.xml'} is missing",
        "all splits: class 3 ghost has no object in any split",
    ):
        assert [line for line in found if line.startswith(sentence)], sentence
    assert len(found) == 7
    assert "7 problems, listed in" in capsys.readouterr().out


def test_cocos_sizes_and_crowds(tmp_path: Path) -> None:
    root = fake_coco.write(tmp_path)
    found = survey("train", load_detection("coco", root, "train"))
    assert (found.ignored, found.empty, found.good, found.problems) == (1, 1, [0, 1, 2], [])
    assert found.counts.sum(0).tolist() == [2, 1, 0]  # areas 12, 100.5, and 1200; the crowd is not counted
    cells = {row[1]: row[2] for row in rows([found]) if row}
    assert cells["toothbrush"] == "1: 0 + 1 + 0 (1)"
    assert cells["cat"] == "never"
    assert len(never_seen([found])) == 77
    assert contact_sheet([found], 3) is not None
    assert contact_sheet([found], 0) is None


def test_limits_of_the_sizes(tmp_path: Path) -> None:
    areas = [1023.9, 1024, 9215.9, 9216]
    boxes = [fake_coco.annotation(i, 9, 1, [0, 0, 9, 9], None, area) for i, area in enumerate(areas)]
    root = fake_coco.write_folder(tmp_path, annotations=boxes)
    assert survey("train", load_detection("coco_folder", root, "train")).counts[0].tolist() == [1, 2, 1]


def test_splits_whose_classes_differ(tmp_path: Path) -> None:
    root = fake_coco.write_folder(tmp_path)
    content = json.loads((root / "val/instances.json").read_text())
    content["categories"].append({"id": 91, "name": "hat"})
    (root / "val/instances.json").write_text(json.dumps(content))
    surveys = [survey(split, load_detection("coco_folder", root, split)) for split in ("train", "val")]
    (problem,) = never_seen(surveys)
    assert problem.sentence == "the classes of val are not those of train (hat in val only): give both the same list"
    assert len([row for row in rows(surveys) if row]) == 5 + 80


def test_a_missing_picture_does_not_hide_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = fake_coco.write(tmp_path / "a")
    (root / "val2017/000000000139.jpg").unlink()
    with pytest.raises(SystemExit):
        data("coco", root, split="val", out=tmp_path / "out")
    assert ["pictures", "2"] in table(capsys.readouterr().out)
    assert "val: " + f"{root / 'val2017/000000000139.jpg'} is missing" in (tmp_path / "out/problems.txt").read_text()


def test_names_of_both_kinds_are_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'voc_folder'"):
        data("vocfolder", tmp_path, out=tmp_path / "out")
    with pytest.raises(UserError, match="needs the folder"):
        data("coco", out=tmp_path / "out")
    data("shapes", split="val", out=tmp_path / "out")
