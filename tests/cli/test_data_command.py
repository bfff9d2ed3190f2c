"""``gald data``: finds every fault of a tree at once, shows one table and one sheet, and says so by its exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fake import camvid as fake_camvid
from fake import folder as fake_folder
from fake.streets import ids, label, picture
from PIL import Image

from gald.cli.data import data
from gald.data.checks.report import inspect
from gald.data.checks.segmentation import SegmentationSurvey
from gald.images.io import read_image
from gald.support.errors import UserError


def test_a_sound_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data("camvid", fake_camvid.write(tmp_path / "camvid"), out=tmp_path / "out", samples=5)
    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines()]
    assert ["value", "class", "train", "val", "test"] in lines
    assert ["pictures", "3", "3", "3"] in lines
    assert ["size", "20x12", "20x12", "20x12"] in lines
    assert "no problems found" in printed.out
    assert "3/3" in printed.err  # progress
    assert "left" in printed.err
    assert read_image(tmp_path / "out/contact_sheet.png").shape[1] > 100
    assert not list((tmp_path / "out").glob("*.txt"))


def test_splits_that_training_looks_for_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = fake_folder.write(tmp_path / "a")
    (root / "val").rename(root / "holdout")
    data("folder", root, out=tmp_path / "out")
    printed = capsys.readouterr().out
    assert "all splits: there is no split 'val': " in (tmp_path / "out/notes.txt").read_text()
    assert "1 note, listed in" in printed
    assert "no problems found" in printed
    data("folder", root, split="train", out=tmp_path / "out")  # of one split, that is no matter
    assert not (tmp_path / "out/notes.txt").exists()


def test_every_fault_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = fake_camvid.write(tmp_path / "camvid")
    images, masks = (sorted((root / "train" / kind).iterdir()) for kind in ("images", "labels"))
    images[0].write_bytes(images[0].read_bytes()[:-200])
    masks[0].write_bytes(b"")  # both halves of one pair
    label(masks[1], (0, 1), (5, 5))
    values = ids((0, 1))
    values[2, 3] = 77
    Image.fromarray(values).save(masks[2])
    picture(root / "val/images/stray.jpg")
    picture(root / "val/labels" / sorted((root / "val/labels").iterdir())[0].name)  # a colour picture
    for file in (root / "test/images").iterdir():
        file.unlink()
    with pytest.raises(SystemExit) as exit_:
        data("camvid", root, out=tmp_path / "out")
    assert exit_.value.code == 1
    found = (tmp_path / "out/problems.txt").read_text()
    for sentence in (
        f"train: cannot read the picture {images[0]}",
        f"train: {masks[0]} is empty (0 bytes)",
        f"train: label {masks[1]} is 5x5 but its picture {images[1]} is 20x12",
        f"train: label {masks[2]} has the value 77 at (x, y) = (3, 2)",
        "stray.jpg has no label",
        "is a colour picture (mode RGB)",
        "test: " + f"{root / 'test/images'} holds no pictures",
    ):
        assert sentence in found
    assert len(found.splitlines()) == 7
    printed = capsys.readouterr().out
    assert "77     NO CLASS" in printed
    assert "7 problems, listed in" in printed
    assert "train: 1 pictures that cannot be read" in printed


def test_many_faults_of_a_kind_are_cut_on_the_screen_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = fake_folder.write(tmp_path / "a")
    for i in range(9):
        picture(root / f"train/images/more{i}.jpg")
    with pytest.raises(SystemExit):
        data("folder", root, split="train", out=tmp_path / "out")
    assert capsys.readouterr().out.count("has no label") == 3
    assert (tmp_path / "out/problems.txt").read_text().count("has no label") == 9


def test_a_class_that_never_occurs_is_a_problem_and_0_255_masks_are_recognised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(tmp_path / "images/a.png")
    label(tmp_path / "labels/a.png", (0, 255))
    (tmp_path / "classes.txt").write_text("background\nthing\n")
    with pytest.raises(SystemExit):
        data("folder", tmp_path, out=tmp_path / "out")
    printed = capsys.readouterr().out
    assert "class 1 thing occurs in no label; do your masks use 255 for it? then give it the id 255" in printed
    (tmp_path / "classes.txt").write_text("0 background\n255 thing\n")
    data("folder", tmp_path, out=tmp_path / "out")


def test_colour_masks_without_a_map_get_a_proposal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = fake_folder.write(tmp_path / "a", colored=True)
    (root / "classes.txt").write_text("road\nlight\nsky\n")
    with pytest.raises(SystemExit):
        data("folder", root, out=tmp_path / "out")
    assert "0 class0 70 130 180" in capsys.readouterr().out


def test_nothing_to_look_at_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        data("camvid", tmp_path / "nowhere", out=tmp_path / "out")
    with pytest.raises(UserError, match="unknown split"):
        data("camvid", fake_camvid.write(tmp_path), split="tets", out=tmp_path / "out")
    with pytest.raises(UserError, match="needs the folder"):
        data("camvid", out=tmp_path / "out")


def test_an_output_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/out/contact_sheet\.png: Not a directory"):
        data("camvid", fake_camvid.write(tmp_path / "camvid"), out=tmp_path / "file/out")


def test_shares_and_counts_by_hand(tmp_path: Path) -> None:
    for name, values in (("a", (0, 1)), ("b", (1, 255))):
        picture(tmp_path / f"images/{name}.png")
        label(tmp_path / f"labels/{name}.png", values)
    (tmp_path / "classes.txt").write_text("road\ncar\nsky\n")
    (found,) = inspect("folder", tmp_path).surveys
    assert isinstance(found, SegmentationSurvey)
    share = found.pixels / found.pixels.sum()
    assert share[[0, 1, 2, 255]].tolist() == [0.25, 0.5, 0.0, 0.25]
    assert found.seen_in[[0, 1, 2, 255]].tolist() == [1, 2, 0, 1]
    assert found.sizes == {(12, 20): 2}
    assert found.sound == [0, 1]


def test_the_sheet_takes_pictures_of_any_shape(tmp_path: Path) -> None:
    for name, size in (("dot", (1, 1)), ("strip", (20, 2000)), ("tower", (900, 4))):
        picture(tmp_path / f"images/{name}.png", size)
        label(tmp_path / f"labels/{name}.png", (0,), size)
    (tmp_path / "classes.txt").write_text("road\n")
    report = inspect("folder", tmp_path)
    for samples in (1, 2, 3, 50):
        sheet = report.contact_sheet(samples)
        assert sheet is not None
        assert sheet.dtype == torch.uint8
    assert report.contact_sheet(0) is None


def test_the_command_is_imported_without_torch() -> None:
    """``gald --help`` must be instant."""
    code = "import sys, gald.cli.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
