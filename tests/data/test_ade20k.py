"""ADE20K on a fake tree in the release's layout: ids, names, colours, and the labels that users bring instead."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from fake import ade20k as fake
from fake.streets import colors, label
from PIL import Image

from gald.data.files import MissingFilesError
from gald.data.registry import load_segmentation, splits
from gald.support.errors import UserError


def first(root: Path, kind: str = "annotations", folder: str = "training") -> Path:
    return sorted((root / "ADEChallengeData2016" / kind / folder).iterdir())[0]


def test_ids_from_one_become_train_ids_and_zero_is_ignored(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    assert splits("ade20k", root) == ["train", "val"]
    pairs = load_segmentation("ade20k", root, "val")
    assert [pairs.name(i) for i in range(3)] == [f"ADE_val_0000000{i}" for i in (1, 2, 3)]
    assert pairs.values(0)[0].unique().tolist() == [0, 1, 7, 150]
    assert pairs[0]["mask"][0].unique_consecutive().tolist() == [255, 0, 6, 149]
    assert pairs.to_label_ids(pairs.mask(0))[0].unique_consecutive().tolist() == [0, 1, 7, 150]
    inside = load_segmentation("ade20k", root / "ADEChallengeData2016", "val")
    assert inside.files == pairs.files


def test_the_table_of_classes(tmp_path: Path) -> None:
    labels = load_segmentation("ade20k", fake.write(tmp_path), "train").labels
    assert len(labels) == 150
    assert [each.id for each in labels] == [*range(1, 151)]
    by_name = {each.name: each for each in labels}
    known = {"wall": 1, "sky": 3, "person": 13, "car": 21, "traffic light": 137, "crt screen": 142, "flag": 150}
    assert {name: by_name[name].id for name in known} == known
    assert by_name["sky"].color == (6, 230, 230)
    assert by_name["flag"].color == (92, 0, 255)
    assert by_name["coffee table"].color == (0, 255, 112)
    repeated = [color for color, times in Counter(each.color for each in labels).items() if times > 1]
    assert repeated == [by_name["road"].color] == [by_name["skyscraper"].color]  # so it is in the benchmark's palette


def test_labels_that_were_shifted_down_are_told(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    mask = label(first(root), (0, 6, 149, 255))
    with pytest.raises(UserError, match=rf"label {mask} has the value 255 at \(x, y\) = \(15, 0\): .*shifted down"):
        load_segmentation("ade20k", root, "train")[0]


def test_what_is_no_label_of_the_150(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    mask = label(first(root), (0, 151))
    with pytest.raises(
        UserError, match=rf"label {mask} has the value 151 .*\.\.\. \(150 classes\), 149 clock, 150 flag"
    ):
        load_segmentation("ade20k", root, "train")[0]
    colors(mask, ((1, 2, 3),))
    with pytest.raises(UserError, match="is a colour picture"):
        load_segmentation("ade20k", root, "train")[0]


def test_a_list_of_names_that_disagrees(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    file = root / "ADEChallengeData2016" / "objectInfo150.txt"
    text = file.read_text()
    # a version of the list has one column more, and the first two names of a class in the other order
    file.write_text(text.replace("\ttelevision receiver, ", "\t0\ttelevision, television receiver, "))
    assert len(load_segmentation("ade20k", root, "train")) == 3
    file.write_text(text.replace("\tsky,", "\tocean,"))
    with pytest.raises(UserError, match=r"objectInfo150\.txt calls class 3 'ocean', .* have 'sky' there"):
        load_segmentation("ade20k", root, "train")
    file.unlink()
    assert len(load_segmentation("ade20k", root, "train")) == 3


def test_half_an_archive(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    first(root).unlink()
    with pytest.raises(MissingFilesError, match="1 of 3 pictures have no label"):
        load_segmentation("ade20k", root, "train")
    for file in (root / "ADEChallengeData2016/annotations/validation").iterdir():
        file.unlink()
    (root / "ADEChallengeData2016/annotations/validation").rmdir()
    with pytest.raises(UserError, match=r"has no annotations/validation: get .*zip \(not the full ADE20K\) from http"):
        load_segmentation("ade20k", root, "val")
    assert splits("ade20k", root) == ["train", "val"]  # its pictures lie there; opening it says what is missing


def test_a_picture_of_another_size(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    Image.new("RGB", (9, 5)).save(first(root, "images"))
    with pytest.raises(UserError, match="is 20x12 but its picture .* is 9x5"):
        load_segmentation("ade20k", root, "train")[0]


def test_the_test_pictures_are_another_archive_without_labels(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    with pytest.raises(UserError, match=r"has no .*release_test/testing: get release_test\.zip"):
        load_segmentation("ade20k", root, "test")
    fake.write_test(root)
    assert splits("ade20k", root) == ["train", "val", "test"]
    pairs = load_segmentation("ade20k", root, "test")
    assert [pairs.name(i) for i in range(len(pairs))] == [f"ADE_test_0000000{i}" for i in (1, 2, 5, 9)]
    assert pairs[3]["mask"].unique().tolist() == [255]
    assert pairs[3]["mask"].shape == pairs[3]["image"].shape[1:] == (12, 21)
    assert pairs.labels == load_segmentation("ade20k", root, "val").labels
    as_in_the_kit = tmp_path / "ADEChallengeData2016" / "images" / "testing"
    (root / "release_test" / "testing").rename(as_in_the_kit)
    for place in (root, root / "ADEChallengeData2016"):
        assert len(load_segmentation("ade20k", place, "test")) == 4
