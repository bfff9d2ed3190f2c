"""VOC 2012 on its fake tree: palette labels, void, the augmented list, and what can be missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fake import voc2012 as fake
from PIL import Image

from gald.data.datasets.voc2012 import LABELS
from gald.data.files import MissingFilesError
from gald.data.registry import load_segmentation, splits
from gald.support.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fake.write(tmp_path)


def devkit_color(index: int) -> tuple[int, int, int]:
    """The devkit's palette: the bits of the index, three by three, fill red, green and blue from the highest bit on."""
    color = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            color[channel] |= (index >> (3 * place + channel) & 1) << (7 - place)
    return color[0], color[1], color[2]


def test_colours_follow_the_devkits_rule() -> None:
    assert [each.color for each in LABELS] == [devkit_color(i) for i in range(21)]
    assert [each.id for each in LABELS] == list(range(21))
    assert devkit_color(255) == (224, 224, 192)
    assert [LABELS[i].name for i in (1, 11, 15, 20)] == ["aeroplane", "diningtable", "person", "tvmonitor"]


@pytest.mark.parametrize("split", ["train", "val", "trainaug"])
def test_values_are_train_ids_and_void_is_ignored(root: Path, split: str) -> None:
    pairs = load_segmentation("voc2012", root, split)
    assert [each.name for each in pairs.files] == sorted(fake.LISTS[split])
    for i in range(len(pairs)):
        assert pairs[i]["mask"][3, ::2].tolist() == [*range(21), 255]
        assert torch.equal(pairs.to_label_ids(pairs.mask(i)), pairs.values(i))


def test_trainval_and_the_folder_of_augmented_labels(root: Path) -> None:
    assert len(load_segmentation("voc2012", root, "trainval")) == 5
    assert {each.label.parent.name for each in load_segmentation("voc2012", root, "trainaug").files} == {
        "SegmentationClassAug"
    }
    assert {each.label.parent.name for each in load_segmentation("voc2012", root, "train").files} == {
        "SegmentationClass"
    }


@pytest.mark.parametrize("below", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_root_may_be_any_folder_of_the_archive(root: Path, below: str) -> None:
    assert splits("voc2012", root / below) == ["train", "val", "trainaug", "test"]
    assert len(load_segmentation("voc2012", root / below, "val")) == 3


@pytest.mark.parametrize("place", ["Segmentation", "SegmentationAug"])
def test_the_augmented_list_of_deeplab(tmp_path: Path, place: str) -> None:
    root = fake.write(tmp_path, train_aug=True)
    sets = root / "VOCdevkit/VOC2012/ImageSets"
    (sets / place).mkdir(exist_ok=True)
    (sets / "Segmentation/train_aug.txt").replace(sets / place / "train_aug.txt")
    assert [each.name for each in load_segmentation("voc2012", root, "trainaug").files] == sorted(
        fake.LISTS["trainaug"]
    )


def test_the_example_makes_the_augmented_labels_from_sbd(tmp_path: Path) -> None:
    base = fake.write(tmp_path) / "VOCdevkit/VOC2012"
    shutil.rmtree(base / "SegmentationClassAug")
    (base / "ImageSets/Segmentation/trainaug.txt").unlink()
    fake.write_sbd(tmp_path)
    script = Path(__file__).parents[2] / "examples" / "voc2012_with_sbd.py"
    subprocess.run([sys.executable, script, tmp_path / "benchmark_RELEASE/dataset", base], check=True)
    pairs = load_segmentation("voc2012", tmp_path, "trainaug")
    assert [each.name for each in pairs.files] == ["2007_000032", "2007_000039", "2008_000002"]  # none of val's
    assert pairs.mask(0)[0, ::2].tolist() == [*range(21), 255]  # VOC's own, with void
    assert pairs.mask(2).unique().tolist() == [0, 7, 20]  # SBD's


def test_test_pictures_have_nothing_to_score(root: Path) -> None:
    sample = load_segmentation("voc2012", root, "test")[0]
    assert sample["name"] == "2008_000006"
    assert sample["mask"].shape == fake.SIZE
    assert sample["mask"].unique().tolist() == [255]


def test_a_missing_list_says_where_it_comes_from(root: Path) -> None:
    lists = root / "VOCdevkit/VOC2012/ImageSets/Segmentation"
    for split, words in (
        ("val", r"extract VOCtrainval_11-May-2012\.tar into the same folder, from http://host\.robots"),
        ("trainaug", r"the augmented list and labels are made from SBD, http.*docs/data/voc2012\.md"),
        ("test", r"extract the test data \(VOC2012test\.tar\)"),
    ):
        (lists / f"{split}.txt").unlink()
        with pytest.raises(UserError, match=rf"VOC2012 has no ImageSets/Segmentation/{split}\.txt.*: {words}"):
            load_segmentation("voc2012", root, split)
    assert splits("voc2012", root) == ["train"]
    (lists / "train.txt").write_text("\n")
    with pytest.raises(UserError, match=r"train\.txt lists no pictures: extract"):
        load_segmentation("voc2012", root, "train")


def test_missing_files_are_counted_and_the_rest_is_kept(root: Path) -> None:
    base = root / "VOCdevkit/VOC2012"
    shutil.rmtree(base / "SegmentationClassAug")
    first = base / "SegmentationClassAug/2007_000032.png"
    with pytest.raises(MissingFilesError, match=rf"3 of 6 files are missing, the first is {first}: the augmented list"):
        load_segmentation("voc2012", root, "trainaug")
    (base / "JPEGImages/2007_000042.jpg").unlink()
    with pytest.raises(
        MissingFilesError, match=r"1 of 6 files are missing, .*2007_000042\.jpg: extract VOCtrainval"
    ) as caught:
        load_segmentation("voc2012", root, "val")
    assert len(caught.value.rest) == 2
    (base / "JPEGImages/2008_000011.jpg").unlink()
    with pytest.raises(MissingFilesError, match=r"1 of 2 files are missing, .*2008_000011\.jpg: extract the test data"):
        load_segmentation("voc2012", root, "test")


def test_labels_that_were_converted_to_colours(root: Path) -> None:
    path = root / "VOCdevkit/VOC2012/SegmentationClass/2007_000032.png"
    Image.open(path).convert("RGB").save(path)
    with pytest.raises(UserError, match=r"is a colour picture \(mode RGB\), not a map of class ids"):
        load_segmentation("voc2012", root, "train")[0]
    Image.fromarray(np.full(fake.SIZE, 21, np.uint8)).save(path)
    with pytest.raises(UserError, match=r"has the value 21 at .*which is no class"):
        load_segmentation("voc2012", root, "train")[0]
