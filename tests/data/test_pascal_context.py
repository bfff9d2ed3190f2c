"""Pascal Context on fake trees of both layouts: 459 ids to 59, the background, and MATLAB files that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fake import pascal_context as fake
from fake.matlab import mat, mat73

from gald.data.datasets.pascal_context import PUBLISHED
from gald.data.files import MissingFilesError
from gald.data.registry import load_segmentation, splits
from gald.support.errors import UserError

OTHER_ORDER = """aeroplane bicycle bird boat bottle bus car cat chair cow table dog horse motorbike person pottedplant
sheep sofa train tvmonitor bag bed bench book building cabinet ceiling cloth computer cup door fence floor flower food
grass ground keyboard light mountain mouse curtain platform sign plate road rock shelves sidewalk sky snow bedclothes
track tree truck wall water window wood"""  # of 59_labels.txt


def first(root: Path) -> Path:
    return root / "VOCdevkit/VOC2010/trainval" / f"{fake.NAMES['train'][0]}.mat"


@pytest.mark.parametrize("converted", [False, True])
def test_both_layouts_hold_the_same(tmp_path: Path, converted: bool) -> None:
    root = fake.write(tmp_path, converted)
    assert splits("pascal_context59", root) == ["train", "val"]
    without, background = (load_segmentation(f"pascal_context{n}", root, "train") for n in (59, 60))
    assert without.values(0)[0].unique_consecutive().tolist() == [0, 1, 2, 50, 59, 0]
    assert without[0]["mask"][0].unique_consecutive().tolist() == [255, 0, 1, 49, 58, 255]
    assert background[0]["mask"][0].unique_consecutive().tolist() == [0, 1, 2, 50, 59, 0]
    assert [without.labels[i].name for i in (0, 1, 49, 58)] == ["aeroplane", "bag", "table", "wood"]
    assert [background.labels[i].name for i in (0, 1, 59)] == ["background", "aeroplane", "wood"]
    assert torch.equal(background.to_label_ids(background.mask(0)), background.values(0))
    assert [without.name(i) for i in range(2)] == [*fake.NAMES["train"]]
    assert len(load_segmentation("pascal_context59", root, "trainval")) == 4
    assert len(load_segmentation("pascal_context59", root / "VOCdevkit/VOC2010", "val")) == 2


def test_the_table_is_the_59() -> None:
    assert sorted(OTHER_ORDER.split()) == [label.name for label in PUBLISHED]
    assert [label.id for label in PUBLISHED] == sorted(label.id for label in PUBLISHED)
    known = {"aeroplane": 2, "bicycle": 23, "person": 284, "sky": 360, "table": 397, "tvmonitor": 427, "wood": 458}
    assert {label.name: label.id for label in PUBLISHED if label.name in known} == known


def test_every_published_id_arrives_at_its_class(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    mat(first(root), LabelMap=np.arange(460, dtype=np.uint16).reshape(20, 23))
    pairs = load_segmentation("pascal_context59", root, "train")
    mask = pairs.mask(0).flatten()
    found = {pairs.labels[int(mask[i])].name: i for i in range(460) if mask[i] != 255}
    assert found == {label.name: label.id for label in PUBLISHED}


def test_matlab_files_that_are_wrong(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    pairs = load_segmentation("pascal_context60", root, "train")
    values = fake.wide((2, 9))
    values[3, 7] = 460
    mat(first(root), LabelMap=values)
    sentence = rf"label {first(root)} has the value 460 at \(x, y\) = \(7, 3\), LabelMap goes to 459"
    with pytest.raises(UserError, match=sentence):
        pairs[0]
    mat(first(root), S=values)
    with pytest.raises(UserError, match=rf"label {first(root)} holds no LabelMap: is it of another data set"):
        pairs[0]
    mat(first(root), LabelMap=values[None])
    with pytest.raises(UserError, match=r"should be a map of whole numbers \(height, width\), it is uint16 of shape"):
        pairs[0]
    mat(first(root), LabelMap=values / 2)
    with pytest.raises(UserError, match="should be a map of whole numbers"):
        pairs[0]
    mat(first(root), LabelMap=fake.wide((2, 9)).astype(float))
    assert pairs[0]["mask"][0].unique().tolist() == [1, 2]  # MATLAB's own type, whole numbers


def test_a_matlab_file_of_version_7_3_or_of_no_version(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    pairs = load_segmentation("pascal_context60", root, "train")
    whole = first(root).read_bytes()
    mat73(first(root))
    with pytest.raises(UserError, match=rf"label {first(root)} is a MATLAB file of version 7\.3 \(HDF5\)"):
        pairs[0]
    for broken in (b"", b"not a mat file at all " * 20, whole[:140], whole[:-20], bytes(200)):
        first(root).write_bytes(broken)
        with pytest.raises(UserError, match=rf"({first(root)}|holds no LabelMap)"):
            pairs[0]
    first(root).unlink()
    with pytest.raises(UserError, match="does not exist"):
        pairs[0]


def test_what_is_missing_is_named_with_where_it_is_to_be_had(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    base = root / "VOCdevkit/VOC2010"
    first(root).unlink()
    with pytest.raises(
        MissingFilesError,
        match=r"^1 of 4 files that .*/train\.txt names are missing, .*2008_000008\.mat: was the archive unpacked",
    ):
        load_segmentation("pascal_context59", root, "train")
    (base / "JPEGImages" / f"{fake.NAMES['train'][0]}.jpg").unlink()
    with pytest.raises(
        MissingFilesError, match=r"^2 of 4 files .* are missing, the first is .*2008_000008\.jpg"
    ) as caught:
        load_segmentation("pascal_context59", root, "train")
    assert [files.name for files in caught.value.rest.files] == ["2008_000015"]
    (base / "ImageSets/Main/val.txt").unlink()
    with pytest.raises(
        UserError, match=r"has no ImageSets/SegmentationContext/val\.txt and no ImageSets/Main/val\.txt"
    ):
        load_segmentation("pascal_context59", root, "val")
    (base / "trainval").rename(base / "elsewhere")
    with pytest.raises(UserError, match=r"has no trainval and no SegmentationClassContext: get trainval\.tar\.gz from"):
        load_segmentation("pascal_context59", root, "train")
