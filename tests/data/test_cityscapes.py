"""Cityscapes on its fake tree: ids there and back, fine and coarse, and archives that are not whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fake import cityscapes as fake
from fake.streets import label
from PIL import Image
from torchvision.datasets import Cityscapes as Official

from gald.data.datasets.cityscapes import IGNORED, LABELS
from gald.data.files import MissingFilesError
from gald.data.registry import load_segmentation, splits
from gald.support.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fake.write(tmp_path)


def label_file(root: Path, name: str, part: str = "train", kind: str = "gtFine") -> Path:
    return root / kind / part / name.split("_")[0] / f"{name}_{kind}_labelIds.png"


def test_classes_are_the_official_ones() -> None:
    official = {each.id: each for each in Official.classes}  # torchvision's table, made from cityscapesScripts
    assert [(each.name, each.color) for each in LABELS] == [
        (official[each.id].name, official[each.id].color) for each in LABELS
    ]
    assert [official[each.id].train_id for each in LABELS] == list(range(19))
    scored = {each.id for each in Official.classes if not each.ignore_in_eval}
    assert scored == {each.id for each in LABELS}
    others = {each.id % 256: each.name for each in Official.classes if each.ignore_in_eval}
    assert others == IGNORED  # -1, the license plate, is 255 as a byte


def test_the_released_codes_map(root: Path) -> None:
    """Label id to train id as the authors' loader has it, id by id."""
    pairs = load_segmentation("cityscapes", root, "train")
    ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    expected = [ids.index(i) if i in ids else 255 for i in range(34)]
    assert pairs.values(1)[0, ::2].tolist() == list(range(34))
    assert pairs.mask(1)[0, ::2].tolist() == expected
    assert pairs[1]["mask"][5, ::2].tolist() == expected


def test_train_ids_go_back_to_label_ids(root: Path) -> None:
    pairs = load_segmentation("cityscapes", root, "val")
    train_ids = torch.tensor([[*range(19), 255]])
    ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33, 0]
    assert pairs.to_label_ids(train_ids).tolist() == [ids]
    assert torch.equal(pairs.to_label_ids(pairs.mask(0)), pairs.values(0))


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", fake.PARTS["train"]),
        ("val", fake.PARTS["val"]),
        ("trainval", fake.PARTS["train"] + fake.PARTS["val"]),
        ("train_extra", fake.PARTS["train_extra"]),
        ("coarse_train", fake.PARTS["train"]),
        ("coarse_val", fake.PARTS["val"]),
        ("train_and_extra", fake.PARTS["train"] + fake.PARTS["train_extra"]),
        ("trainval_and_extra", fake.PARTS["train"] + fake.PARTS["val"] + fake.PARTS["train_extra"]),
    ],
)
def test_every_split_has_its_pictures(root: Path, split: str, names: tuple[str, ...]) -> None:
    pairs = load_segmentation("cityscapes", root, split)
    assert sorted(each.name for each in pairs.files) == sorted(names)
    coarse = {each.name for each in pairs.files if "gtCoarse" in each.label.name}
    assert coarse == ({*names} if split.startswith("coarse") else {*names} & {*fake.PARTS["train_extra"]})
    for i in range(len(pairs)):
        assert pairs[i]["image"].shape == (3, *fake.SIZE)


def test_coarse_labels_are_their_own_files(root: Path) -> None:
    name = fake.PARTS["train"][0]
    label(label_file(root, name, kind="gtCoarse"), (26,), fake.SIZE)
    assert load_segmentation("cityscapes", root, "coarse_train").mask(0).unique().tolist() == [13]
    assert len(load_segmentation("cityscapes", root, "train").mask(0).unique()) == 20


def test_test_pictures_have_nothing_to_score(root: Path) -> None:
    pairs = load_segmentation("cityscapes", root, "test")
    assert [each.name for each in pairs.files] == list(fake.PARTS["test"])
    assert pairs.labels == LABELS
    sample = pairs[0]
    assert sample["image"].shape == (3, *fake.SIZE)
    assert sample["mask"].shape == fake.SIZE
    assert sample["mask"].unique().tolist() == [255]
    shutil.rmtree(root / "gtFine")
    assert len(load_segmentation("cityscapes", root, "test")) == 2


def test_splits_that_lie_there(root: Path) -> None:
    assert splits("cityscapes", root) == ["train", "val", "test", "train_extra", "coarse_train", "coarse_val"]
    shutil.rmtree(root / "gtCoarse")
    shutil.rmtree(root / "leftImg8bit/train_extra")
    assert splits("cityscapes", root) == ["train", "val", "test"]


def test_a_license_plate_is_ignored_like_a_byte_of_minus_one(root: Path) -> None:
    label(label_file(root, "zurich_000000_000019"), (255, 26, 33), fake.SIZE)
    assert load_segmentation("cityscapes", root, "train").mask(2).unique().tolist() == [13, 18, 255]


# --- what is not whole


def test_a_city_without_labels(root: Path) -> None:
    shutil.rmtree(root / "gtFine/train/zurich")
    first = label_file(root, "zurich_000000_000019")
    sentence = (
        rf"2 of 8 files are missing, the first is {first}: the city zurich is not whole; extract "
        r"gtFine_trainvaltest\.zip into the same folder, from https://www\.cityscapes-dataset\.com/downloads/"
    )
    with pytest.raises(MissingFilesError, match=sentence) as caught:
        load_segmentation("cityscapes", root, "train")
    assert [each.name for each in caught.value.rest.files] == ["aachen_000000_000019", "aachen_000001_000019"]
    assert caught.value.missing[0] == f"{first} is missing"


def test_a_picture_that_is_missing(root: Path) -> None:
    path = root / "leftImg8bit/val/munster/munster_000173_000019_leftImg8bit.png"
    path.unlink()
    sentence = (
        rf"1 of 6 files are missing, the first is {path}: the city munster .*extract leftImg8bit_trainvaltest\.zip"
    )
    with pytest.raises(MissingFilesError, match=sentence):
        load_segmentation("cityscapes", root, "val")


@pytest.mark.parametrize(
    ("folder", "split", "archive"),
    [
        ("leftImg8bit/train", "train", r"leftImg8bit_trainvaltest\.zip"),
        ("leftImg8bit/test", "test", r"leftImg8bit_trainvaltest\.zip"),
        ("leftImg8bit/train_extra", "train_extra", r"leftImg8bit_trainextra\.zip"),
        ("gtFine/val", "trainval", r"gtFine_trainvaltest\.zip"),
        ("gtCoarse/train_extra", "train_and_extra", r"gtCoarse\.zip"),
    ],
)
def test_an_archive_that_is_missing(root: Path, folder: str, split: str, archive: str) -> None:
    shutil.rmtree(root / folder)
    with pytest.raises(UserError, match=rf"{root} holds no {folder}/\*/\*_\w+\.png: extract {archive} into"):
        load_segmentation("cityscapes", root, split)


def test_files_that_an_archiver_left_are_passed_over(root: Path) -> None:
    (root / "leftImg8bit/train/aachen/._aachen_000000_000019_leftImg8bit.png").write_bytes(b"\0")
    (root / "leftImg8bit/train/aachen/Thumbs.db").write_bytes(b"\0")
    assert len(load_segmentation("cityscapes", root, "train")) == 4


# --- train ids where label ids belong


def test_train_ids_beside_label_ids_do_no_harm(root: Path) -> None:
    pairs = load_segmentation("cityscapes", fake.write_train_ids(root), "train")
    assert len(pairs) == 4
    made = np.asarray(Image.open(str(pairs.files[1].label).replace("_labelIds", "_labelTrainIds")))
    assert np.array_equal(pairs.mask(1).numpy(), made)  # the official tool's train ids are ours


def test_train_ids_in_place_of_label_ids_are_named(root: Path) -> None:
    fake.write_train_ids(root)
    for path in (root / "gtFine/train/zurich").glob("*_labelIds.png"):
        path.unlink()
    named = r"zurich_000000_000019_gtFine_labelTrainIds\.png lies there, but it holds train ids"
    with pytest.raises(
        MissingFilesError, match=rf"2 of 8 files .*zurich_000000_000019_gtFine_labelIds\.png: .*{named}"
    ):
        load_segmentation("cityscapes", root, "train")
    for path in (root / "gtFine/train").glob("*/*_labelIds.png"):
        path.unlink()
    with pytest.raises(
        UserError, match=r"holds no gtFine/train.*_labelTrainIds\.png lies there, but it holds train ids"
    ):
        load_segmentation("cityscapes", root, "train")


def test_a_renamed_map_of_train_ids_is_recognised(root: Path) -> None:
    fake.write_train_ids(root)
    path = label_file(root, "aachen_000000_000019")
    path.with_name(path.name.replace("_labelIds", "_labelTrainIds")).replace(path)
    with pytest.raises(
        UserError, match=rf"label {path} holds train ids \(0 to 18 and 255\), not label ids \(0 to 33\)"
    ):
        load_segmentation("cityscapes", root, "train")[0]


def test_other_files_of_the_release_in_place_of_label_ids(root: Path) -> None:
    path = label_file(root, "aachen_000000_000019")
    shutil.copy(path.with_name("aachen_000000_000019_gtFine_instanceIds.png"), path)
    with pytest.raises(UserError, match=r"has more than 8 bits \(mode I;16\)"):
        load_segmentation("cityscapes", root, "train")[0]
    shutil.copy(path.with_name("aachen_000000_000019_gtFine_color.png"), path)
    with pytest.raises(UserError, match=r"is a colour picture \(mode RGBA\)"):
        load_segmentation("cityscapes", root, "train")[0]
    label(path, (7, 34), fake.SIZE)
    with pytest.raises(UserError, match=r"has the value 34 at \(x, y\) = \(34, 0\), which is no class"):
        load_segmentation("cityscapes", root, "train")[0]
