"""Folders of predictions: found by name, checked, and scored as the benchmarks' rules say, by hand."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fake import scored_cityscapes as fake
from fake.scored_cityscapes import save
from fake.streets import label, picture
from PIL import Image
from torchvision.datasets import Cityscapes as Official

from gald.cli.score import score as command
from gald.data.datasets.cityscapes import IGNORED, LABELS
from gald.data.registry import load_segmentation
from gald.engine.scoring import cityscapes
from gald.engine.scoring.cityscapes import CATEGORIES, SIZES, WITH_INSTANCES
from gald.engine.scoring.folder import score
from gald.metrics import segmentation_metrics
from gald.support.errors import UserError

# ------------------------------------------------------------------------- VOC and ADE20K: files, train ids, numbers


def array(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint8)


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """One picture: background, aeroplane (1), tvmonitor (20) and void (255)."""
    base = tmp_path / "VOCdevkit" / "VOC2012"
    (base / "ImageSets" / "Segmentation").mkdir(parents=True)
    (base / "ImageSets" / "Segmentation" / "val.txt").write_text("2007_000033\n")
    picture(base / "JPEGImages" / "2007_000033.jpg", (3, 6))
    truth = array([0, 0, 0, 255, 1, 1], [0, 0, 255, 255, 1, 1], [0, 0, 0, 255, 20, 20])
    save(base / "SegmentationClass" / "2007_000033.png", truth)
    return tmp_path


def test_void_of_voc_is_not_counted_and_background_is_a_class(voc: Path, tmp_path: Path) -> None:
    save(
        tmp_path / "mine" / "2007_000033.png",
        array([0, 0, 1, 1, 1, 1], [0, 0, 20, 7, 1, 0], [0, 0, 0, 0, 20, 1]),
    )
    scores = score(tmp_path / "mine", load_segmentation("voc2012", voc, "val"))
    assert scores["iou/background"] == 7 / 9  # one missed (aeroplane), one false; nothing under the void
    assert scores["iou/aeroplane"] == 3 / 6  # one missed, two false: on background and on tvmonitor
    assert scores["iou/tvmonitor"] == 1 / 2
    assert scores["miou"] == pytest.approx((7 / 9 + 3 / 6 + 1 / 2) / 3)
    assert scores["pixel_accuracy"] == 11 / 14
    # class 7 was predicted under the void only: it does not occur
    assert math.isnan(scores["iou/car"])
    assert sum(not math.isnan(value) for key, value in scores.items() if key.startswith("iou/")) == 3


def test_a_prediction_of_void_is_a_miss_and_nobodys_false_positive(voc: Path, tmp_path: Path) -> None:
    truth = array([0, 0, 0, 255, 1, 1], [0, 0, 255, 255, 1, 1], [0, 0, 0, 255, 20, 20])
    guess = truth.copy()
    guess[0, 0] = guess[0, 4] = 255
    save(tmp_path / "mine" / "2007_000033.png", guess)
    scores = score(tmp_path / "mine", load_segmentation("voc2012", voc, "val"))
    assert (scores["iou/background"], scores["iou/aeroplane"], scores["iou/tvmonitor"]) == (7 / 8, 3 / 4, 1)
    assert scores["miou"] == pytest.approx((7 / 8 + 3 / 4 + 1) / 3)
    assert scores["pixel_accuracy"] == 12 / 14
    assert not any("no class" in key for key in scores)
    assert scores["boundary_iou"] < 1  # the means of the others leave it out too


def test_zero_of_ade20k_is_unlabelled_and_classes_begin_at_one(tmp_path: Path) -> None:
    base = tmp_path / "ADEChallengeData2016"
    picture(base / "images/validation/ADE_val_00000001.jpg", (2, 6))
    save(base / "annotations/validation/ADE_val_00000001.png", array([0, 0, 1, 1, 1, 150], [0, 13, 13, 1, 1, 150]))
    save(tmp_path / "mine/ADE_val_00000001.png", array([1, 150, 1, 1, 13, 150], [0, 13, 0, 1, 1, 1]))
    scores = score(tmp_path / "mine", load_segmentation("ade20k", tmp_path, "val"))
    # under the zeros nothing counts: the wall and the flag there are no false positives
    assert scores["iou/wall"] == 4 / 6  # value 1: four found, one missed, one false
    assert scores["iou/person"] == 1 / 3  # value 13: one found, one missed (as unlabelled), one false
    assert scores["iou/flag"] == 1 / 2  # value 150: one found, one missed
    assert scores["miou"] == pytest.approx((4 / 6 + 1 / 3 + 1 / 2) / 3)
    assert scores["pixel_accuracy"] == 6 / 9


def test_the_metrics_are_those_of_evaluate(tmp_path: Path) -> None:
    """Predictions that hold classes only: the class that stands in for nothing changes no number."""
    metrics = segmentation_metrics(3, ["sky", "road", "car"])
    generator = torch.Generator().manual_seed(0)
    for name in ("a", "b"):
        truth, guess = torch.randint(3, (2, 9, 14), generator=generator, dtype=torch.uint8).repeat_interleave(4, 2)
        truth[:2, :5] = 255
        metrics.update(guess[None], truth[None])
        picture(tmp_path / "val" / "images" / f"{name}.jpg", (9, 56))
        save(tmp_path / "val" / "labels" / f"{name}.png", truth.numpy())
        save(tmp_path / "mine" / f"{name}.png", guess.numpy())
    (tmp_path / "classes.txt").write_text("sky\nroad\ncar\n")
    expected = {key: float(value) for key, value in metrics.compute().items()}
    scores = score(tmp_path / "mine", load_segmentation("folder", tmp_path, "val"))
    assert scores == pytest.approx(expected, rel=1e-14, nan_ok=True)


# -------------------------------------------------------------------------------------------------- finding the files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of the pictures a and a_1, and predictions of both."""
    for name in ("a", "a_1"):
        picture(tmp_path / "val" / "images" / f"{name}.jpg")
        label(tmp_path / "val" / "labels" / f"{name}.png", (0, 1))
        label(tmp_path / "mine" / f"{name}.png", (0, 1) if name == "a" else (0, 0))
    (tmp_path / "classes.txt").write_text("sky\nroad\n")
    return tmp_path


def test_names_longer_and_in_folders(folder: Path) -> None:
    pairs, mine = load_segmentation("folder", folder, "val"), folder / "mine"
    expected = score(mine, pairs)
    assert expected["pixel_accuracy"] == 3 / 4
    (mine / "deep").mkdir()
    shutil.move(mine / "a.png", mine / "deep" / "a_of_my_network.png")
    (mine / "._a.png").write_bytes(b"an archiver's")
    assert score(mine, pairs) == pytest.approx(expected, nan_ok=True)
    shutil.copy(mine / "a_1.png", mine / "a_2.png")
    with pytest.raises(UserError, match=r"a_2.png and .*a_of_my_network.png are predictions of the same picture"):
        score(mine, pairs)


def test_a_longer_name_of_another_picture_is_not_taken(folder: Path) -> None:
    (folder / "mine" / "a.png").unlink()
    with pytest.raises(UserError, match=r"1 of 2 pictures have no prediction in .*, the first is a: write a.png"):
        score(folder / "mine", load_segmentation("folder", folder, "val"))


def test_a_folder_that_is_not_there(folder: Path) -> None:
    with pytest.raises(UserError, match="folder of predictions .*theirs does not exist"):
        score(folder / "theirs", load_segmentation("folder", folder, "val"))


def test_another_size_and_a_value_that_is_no_class(folder: Path) -> None:
    pairs, file = load_segmentation("folder", folder, "val"), folder / "mine" / "a.png"
    label(file, (0, 1), (12, 10))
    with pytest.raises(UserError, match=r"prediction .*a.png is 10x12, but its truth .*a.png is 20x12"):
        score(folder / "mine", pairs)
    label(file, (0, 77))
    with pytest.raises(UserError, match=r"a.png has the value 77 at \(x, y\) = \(10, 0\)"):
        score(folder / "mine", pairs)


# ---------------------------------------------------------------------------------------------------------- Cityscapes


def test_categories_and_instances_are_the_official_ones() -> None:
    official = {each.id: each for each in Official.classes}  # torchvision's table, made from cityscapesScripts
    scored = [each for each in Official.classes if not each.ignore_in_eval]
    names = {each.category for each in scored}
    assert {name: tuple(each.id for each in scored if each.category == name) for name in names} == CATEGORIES
    assert set(SIZES) == {each.id for each in scored if each.has_instances}
    for name, ids in WITH_INSTANCES.items():
        assert ids == tuple(i for i in sorted(official) if official[i].category == name and i >= 0)
    assert set(IGNORED) | {each.id for each in LABELS} == {*range(cityscapes.LAST + 1), 255}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fake.write(tmp_path)
    return tmp_path


FIRST = "gtFine/val/frankfurt/frankfurt_000000_000294_gtFine"


def test_predictions_in_train_ids_are_told(root: Path) -> None:
    table = np.full(256, 255, np.uint8)
    table[[each.id for each in LABELS]] = range(19)
    for path in (root / "results").glob("*/*.png"):
        values = table[np.asarray(Image.open(path))]
        save(path, np.where(values == 255, 3, values))
    with pytest.raises(UserError, match="seem to be train ids: .* label ids"):
        cityscapes.score(root / "results", load_segmentation("cityscapes", root, "val"))


def test_a_prediction_that_holds_no_label_id(root: Path) -> None:
    path = next((root / "results").glob("*/*.png"))
    values = np.array(Image.open(path))
    values[3, 5] = 99
    save(path, values)
    with pytest.raises(UserError, match=rf"{path} has the value 99 at \(x, y\) = \(5, 3\)"):
        cityscapes.score(root / "results", load_segmentation("cityscapes", root, "val"))


def test_a_license_plate_is_ignored(root: Path) -> None:
    path = root / f"{FIRST}_labelIds.png"
    values = np.array(Image.open(path))
    values[:5] = 0
    save(path, values)
    expected = cityscapes.score(root / "results", load_segmentation("cityscapes", root, "val"))
    values[:5] = 255
    save(path, values)
    assert cityscapes.score(root / "results", load_segmentation("cityscapes", root, "val")) == pytest.approx(
        expected, nan_ok=True
    )


def test_instance_maps_that_are_missing_or_something_else(root: Path) -> None:
    path = root / f"{FIRST}_instanceIds.png"
    values = np.array(Image.open(path))
    save(path, values.astype(np.uint8))
    with pytest.raises(UserError, match=r"instanceIds.png \(mode L\) is no instance map of Cityscapes"):
        cityscapes.score(root / "results", load_segmentation("cityscapes", root, "val"))
    save(path, np.where(values > 1000, 7001, values).astype(np.uint16))
    with pytest.raises(UserError, match="holds the value 7001, but an instance of Cityscapes"):
        cityscapes.score(root / "results", load_segmentation("cityscapes", root, "val"))
    save(path, values[1:])
    with pytest.raises(UserError, match="instance map beside .* is not of its size"):
        cityscapes.score(root / "results", load_segmentation("cityscapes", root, "val"))
    path.unlink()
    with pytest.raises(UserError, match="instanceIds.png does not exist"):
        cityscapes.score(root / "results", load_segmentation("cityscapes", root, "val"))


def test_the_test_pictures_cannot_be_scored(root: Path) -> None:
    picture(root / "leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png")
    with pytest.raises(UserError, match="labels of Cityscapes' test pictures are not public"):
        cityscapes.score(root / "results", load_segmentation("cityscapes", root, "test"))


# --------------------------------------------------------------------------------------------------------- the command


def test_the_command_writes_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command("cityscapes", root / "results", root, out=root / "numbers.json")
    content = json.loads((root / "numbers.json").read_text())
    assert (content["data"], content["split"], content["pictures"]) == ("cityscapes", "val", 3)
    assert content["scores"]["iou_class/truck"] is None
    assert content["scores"]["iiou_category/human"] > 0.3
    assert "numbers.json" in capsys.readouterr().out


def test_the_command_scores_other_data_sets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command("folder", folder / "mine", folder, "val")
    shown = capsys.readouterr().out
    assert "folder val, 2 pictures" in shown
    assert "Boundary IoU" in shown
    assert "pixel accuracy 75.0 %" in shown
