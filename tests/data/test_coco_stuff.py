"""COCO-Stuff on fake trees of both releases: sparse ids, their shift by one, and ids that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake import coco_stuff as fake
from fake.streets import label

from gald.data.files import MissingFilesError
from gald.data.registry import load_segmentation, splits
from gald.support.errors import UserError

NAMES = ["person", "stop sign", "banner", "wood"]


def test_the_two_releases_share_classes_and_differ_by_one(tmp_path: Path) -> None:
    large = load_segmentation("coco_stuff164k", fake.write164k(tmp_path / "a"), "train")
    small = load_segmentation("coco_stuff10k", fake.write10k(tmp_path / "b"), "train")
    assert [each.name for each in large.labels] == [each.name for each in small.labels]
    assert [each.id + 1 for each in large.labels] == [each.id for each in small.labels]
    assert large.values(0)[0].unique_consecutive().tolist() == [0, 12, 91, 181, 255]
    assert small.values(0)[0].unique_consecutive().tolist() == [1, 13, 92, 182, 0]
    for pairs in (large, small):
        found = pairs[0]["mask"][0].unique_consecutive().tolist()
        assert found == [0, 11, 80, 170, 255]
        assert [pairs.labels[i].name for i in found[:-1]] == NAMES


def test_the_table_of_classes(tmp_path: Path) -> None:
    labels = load_segmentation("coco_stuff10k", fake.write10k(tmp_path), "train").labels
    assert len(labels) == 171
    assert sum(each.id <= 91 for each in labels) == 80
    assert {*range(1, 183)} - {each.id for each in labels} == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91}
    known = {"boat": 9, "zebra": 24, "cup": 47, "toilet": 70, "tv": 72, "toothbrush": 90, "building-other": 96}
    known |= {"furniture-other": 123, "road": 149, "sky-other": 157, "tree": 169, "window-other": 181}
    assert {each.name: each.id for each in labels if each.name in known} == known


@pytest.mark.parametrize(("maps", "images"), [("annotations", "images/"), ("stuffthingmaps", "")])
def test_layouts_of_the_164k(tmp_path: Path, maps: str, images: str) -> None:
    root = fake.write164k(tmp_path / "dataset", maps, images)
    label(root / maps / "val2017" / "000000000139_labelTrainIds.png", (0,))  # what a public toolbox leaves there
    for each in (root, tmp_path):
        assert splits("coco_stuff164k", each) == ["train", "val"]
        assert [pair.name for pair in load_segmentation("coco_stuff164k", each, "val").files] == [
            "000000000139", "000000000140", "000000000141"
        ]  # fmt: skip


def test_ids_that_are_no_class(tmp_path: Path) -> None:
    root = fake.write164k(tmp_path)
    mask = root / "annotations/train2017/000000000009.png"
    for value in (11, 182, 254):  # a thing that was never annotated; the 10k's "wood"; nothing
        label(mask, (0, value))
        with pytest.raises(UserError, match=rf"label {mask} has the value {value} at \(x, y\) = \(10, 0\), .*181 wood"):
            load_segmentation("coco_stuff164k", root, "train")[0]


def test_the_10k_that_is_wrong(tmp_path: Path) -> None:
    root = fake.write10k(tmp_path)
    pairs = load_segmentation("coco_stuff10k", root, "train")
    file = root / "annotations/COCO_train2014_000000000077.mat"
    fake.write_mat(file, (1, 183))
    with pytest.raises(UserError, match=rf"label {file} has the value 183 at \(x, y\) = \(10, 0\), which is no class"):
        pairs[0]
    fake.write_mat(file, classes=172)
    with pytest.raises(UserError, match=rf"label {file} is of version 1\.0, whose 172 classes have other numbers"):
        pairs[0]
    file.unlink()
    with pytest.raises(
        MissingFilesError,
        match=rf"1 of 6 files that .*train\.txt names are missing, the first is {file}: get cocostuff",
    ):
        load_segmentation("coco_stuff10k", root, "train")
    (root / "imageLists/test.txt").unlink()
    with pytest.raises(UserError, match=r"has no imageLists/test\.txt: get cocostuff-10k-v1\.1\.zip from https"):
        load_segmentation("coco_stuff10k", root, "val")
    (root / "imageLists/train.txt").write_text("\n")
    with pytest.raises(UserError, match=r"train\.txt lists no pictures"):
        load_segmentation("coco_stuff10k", root, "train")


def test_the_1k_has_two_names(tmp_path: Path) -> None:
    root = fake.write10k(tmp_path)
    assert splits("coco_stuff10k", root) == ["train", "val"]
    assert (
        load_segmentation("coco_stuff10k", root, "val").files == load_segmentation("coco_stuff10k", root, "test").files
    )


def test_missing_maps_of_the_164k(tmp_path: Path) -> None:
    root = fake.write164k(tmp_path)
    (root / "annotations").rename(root / "elsewhere")
    with pytest.raises(
        UserError, match=r"has no annotations/val2017 and no stuffthingmaps/val2017: get stuffthingmaps"
    ):
        load_segmentation("coco_stuff164k", root, "val")
