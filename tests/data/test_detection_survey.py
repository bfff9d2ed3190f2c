"""``gald data`` on data sets with boxes: counts by size, every fault named, the sheet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake import coco as fake_coco
from fake import voc0712 as fake_voc

from gald.cli.data import data
from gald.data import spelling
from gald.data.checks.detection import DetectionSurvey
from gald.data.checks.report import Report, inspect
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
        f"train: annotation {notes / 'train_1.xml'} has no <size>",
        f"val: {notes / 'val_0.xml'} is for 60x40 pixels, {root / 'JPEGImages/val_0.jpg'} is 10x10",
        f"val: {notes / 'val_1.xml'} is missing",
        "all splits: class 3 ghost has no object in any split",
    ):
        assert [line for line in found if line.startswith(sentence)], sentence
    assert len(found) == 6
    printed = capsys.readouterr().out
    assert "6 problems, listed in" in printed
    assert "1 note, listed in" in printed
    box = f"object 3 (cell) of {notes / 'train_0.xml'} has a box without width or height, x 7 to 7"
    assert (tmp_path / "out/notes.txt").read_text().startswith(f"train: {box}")


def test_boxes_that_are_left_out_do_no_harm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = fake_voc.write_folder(tmp_path / "a")
    for note in (root / "Annotations").glob("*_1.xml"):
        fake_voc.annotation(note, [("cell", (7, 7, 7, 7), 0), ("nucleus", (1, 1, 32, 32), 0)])
    data("voc_folder", root, out=tmp_path / "out")
    assert "no problems found" in capsys.readouterr().out
    assert not (tmp_path / "out/problems.txt").exists()
    assert len((tmp_path / "out/notes.txt").read_text().splitlines()) == 2
    assert read_image(tmp_path / "out/contact_sheet.png").shape[1] > 200


def misspelt(root: Path) -> Path:
    """A tree of 40 nuclei and a nuclues."""
    fake_voc.write_folder(root)
    notes = root / "Annotations"
    fake_voc.annotation(notes / "train_0.xml", [("nucleus", (1, 1, 9, 9), 0)] * 40 + [("cell", (1, 1, 9, 9), 0)] * 30)
    fake_voc.annotation(notes / "val_0.xml", [("cell", (1, 1, 9, 9), 0), ("nuclues", (1, 1, 9, 9), 0)])
    return root


def test_a_class_that_may_be_misspelt_is_named_with_its_object(tmp_path: Path) -> None:
    root = misspelt(tmp_path / "a")
    place = f"object 2 of {root / 'Annotations/val_0.xml'}"
    (finding,) = inspect("voc_folder", root).findings
    assert (finding.split, finding.harmless) == ("all splits", False)
    assert finding.sentence.startswith(f"the class 'nuclues' has 1 object (the first is {place}) and 'nucleus' has 4")
    assert finding.sentence.endswith("correct the name, or list both in a classes.txt")


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ({"Platelet": 6, "Platelets": 1, "RBC": 7}, {"Platelets": "Platelet"}),
        ({"traffic light": 3, "Traffic_Light": 3}, {"traffic light": "Traffic_Light"}),
        ({"bus": 2, "buses": 1, "car": 2}, {"buses": "bus"}),
        ({"nucleus": 20, "nuclues": 12}, {"nuclues": "nucleus"}),
        ({"cell": 100, "bell": 5}, {"bell": "cell"}),
        ({"cell": 100, "bell": 6}, {}),
        ({"RBC": 9, "WBC": 2}, {}),
        ({"lane 1": 9, "lane 2": 2}, {}),
        ({"with_mask": 9, "without_mask": 2}, {}),
        ({}, {}),
    ],
)
def test_names_that_may_be_one(counts: dict[str, int], found: dict[str, str]) -> None:
    assert spelling.misspelt(counts) == found


def test_nearly_the_same_name_is_found_in_few_objects(tmp_path: Path) -> None:
    root = fake_voc.write_folder(tmp_path / "a")
    for note in (root / "Annotations").glob("*.xml"):
        fake_voc.annotation(note, [("Platelet", (1, 1, 9, 9), 0), ("RBC", (1, 1, 9, 9), 0)])
    last = root / "Annotations/val_2.xml"
    fake_voc.annotation(last, [("RBC", (1, 1, 9, 9), 0)] * 2 + [("Platelets", (1, 1, 9, 9), 0)])
    (finding,) = inspect("voc_folder", root).findings
    assert not finding.harmless
    assert f"'Platelets' has 1 object (the first is object 3 of {last}) and 'Platelet' has 5" in finding.sentence


def test_classes_that_are_listed_are_no_mistake(tmp_path: Path) -> None:
    root = misspelt(tmp_path / "a")
    (root / "classes.txt").write_text("cell\nnucleus\nnuclues\n")
    assert inspect("voc_folder", root).findings == []
    (root / "classes.txt").write_text("cell\nnucleus\n")
    (fault,) = inspect("voc_folder", root).findings
    assert fault.split == "val"
    assert fault.sentence == (
        f"object 2 (nuclues) of {root / 'Annotations/val_0.xml'} is of a class that is not in the list; "
        "did you mean 'nucleus'?"
    )


def surveyed(report: Report) -> DetectionSurvey:
    """The survey of the one split."""
    (survey,) = report.surveys
    assert isinstance(survey, DetectionSurvey)
    return survey


def test_cocos_sizes_and_crowds(tmp_path: Path) -> None:
    root = fake_coco.write(tmp_path)
    report = inspect("coco", root, "train")
    found = surveyed(report)
    assert (found.ignored, found.empty, found.sound, found.findings) == (1, 1, [0, 1, 2], [])
    assert found.objects.sum(0).tolist() == [2, 1, 0]  # areas 12, 100.5, and 1200; the crowd is not counted
    cells = {name: cell for (_, name), cell in found.cells().items()}
    assert cells["toothbrush"] == "1: 0 + 1 + 0 (1)"
    assert cells["cat"] == "never"
    assert len(report.findings) == 77
    assert report.contact_sheet(3) is not None
    assert report.contact_sheet(0) is None


def test_limits_of_the_sizes(tmp_path: Path) -> None:
    areas = [1023.9, 1024, 9215.9, 9216]
    boxes = [fake_coco.annotation(i, 9, 1, [0, 0, 9, 9], None, area) for i, area in enumerate(areas)]
    root = fake_coco.write_folder(tmp_path, annotations=boxes)
    assert surveyed(inspect("coco_folder", root, "train")).objects[0].tolist() == [1, 2, 1]


def test_splits_whose_classes_differ(tmp_path: Path) -> None:
    root = fake_coco.write_folder(tmp_path)
    content = json.loads((root / "val/instances.json").read_text())
    content["categories"].append({"id": 91, "name": "hat"})
    (root / "val/instances.json").write_text(json.dumps(content))
    report = inspect("coco_folder", root)
    (problem,) = report.findings
    assert problem.sentence == "the classes of val are not those of train (hat in val only): give both the same list"
    assert report.table(plain=True).row_count == 5 + 80 + 1


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
