"""The original CamVid on a fake tree: 32 colours to ids and to the 11 classes, splits by sequence, unknown colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fake import camvid32 as fake
from fake.streets import colors, label
from PIL import Image

from gald.data.datasets.camvid32 import CLASSES, split_of
from gald.data.files import MissingFilesError
from gald.data.registry import load_segmentation, splits
from gald.support.errors import UserError


def first(root: Path) -> Path:
    return root / "LabeledApproved_full" / "0001TP_006690_L.png"


def test_colours_become_ids_in_the_order_of_the_list(tmp_path: Path) -> None:
    pairs = load_segmentation("camvid32", fake.write(tmp_path), "train")
    assert pairs.values(0)[0].unique_consecutive().tolist() == [*range(32)]
    mask = pairs[0]["mask"][0].unique_consecutive().tolist()
    assert mask == [*range(30), 255, 30]  # Void is the 31st of the list
    assert len(pairs.labels) == 31
    by_name = {each.name: each for each in pairs.labels}
    known = {"Animal": 0, "Building": 4, "Road": 17, "Sky": 21, "SUVPickupTruck": 22, "Wall": 31}
    assert {name: by_name[name].id for name in known} == known
    assert by_name["Sidewalk"].color == (0, 0, 192)
    assert "Void" not in by_name


def test_the_11_classes_are_those_of_camvid(tmp_path: Path) -> None:
    pairs = load_segmentation("camvid_original11", fake.write(tmp_path), "train")
    bands = pairs[0]["mask"][0][::2].tolist()
    joined: dict[str, set[str]] = {}
    for kind, train_id in zip(CLASSES, bands, strict=True):
        joined.setdefault(pairs.labels[train_id].name if train_id != 255 else "void", set()).add(kind.name)
    assert joined == {
        "Sky": {"Sky"},
        "Building": {"Building", "Bridge", "Wall", "Tunnel", "Archway"},
        "Pole": {"Column_Pole", "TrafficCone"},
        "Road": {"Road", "LaneMkgsDriv", "LaneMkgsNonDriv"},
        "Pavement": {"Sidewalk", "ParkingBlock", "RoadShoulder"},
        "Tree": {"Tree", "VegetationMisc"},
        "SignSymbol": {"SignSymbol", "Misc_Text", "TrafficLight"},
        "Fence": {"Fence"},
        "Car": {"Car", "SUVPickupTruck", "Truck_Bus", "Train", "OtherMoving"},
        "Pedestrian": {"Pedestrian", "Child", "CartLuggagePram", "Animal"},
        "Bicyclist": {"Bicyclist", "MotorcycleScooter"},
        "void": {"Void"},
    }


def test_splits_are_those_of_the_usual_lists(tmp_path: Path, shared: Path) -> None:
    root = fake.write(tmp_path)
    assert splits("camvid32", root) == ["train", "val", "test"]
    for split, names in fake.SPLITS.items():
        assert [pair.name for pair in load_segmentation("camvid32", root, split).files] == [*names]
    assert len(load_segmentation("camvid_original11", root, "trainval")) == 7
    real = shared / "data" / "camvid"
    if not real.is_dir():
        pytest.skip("no camvid in ../shared/data")
    for split in ("train", "val", "test"):
        assert {split_of(pair.name) for pair in load_segmentation("camvid", real, split).files} == {split}


def test_an_unknown_colour_is_named_with_its_place(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    colors(first(root), ((128, 128, 128), (1, 2, 3)), fake.SIZE)
    sentence = (
        rf"label {first(root)} has the colour \(1, 2, 3\) at \(x, y\) = \(32, 0\), which CamVid's label_colors.txt"
    )
    for name in ("camvid32", "camvid_original11"):
        with pytest.raises(UserError, match=sentence):
            load_segmentation(name, root, "train")[0]


def test_masks_of_another_kind(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    whole = load_segmentation("camvid32", root, "train").values(0)
    Image.open(first(root)).quantize(64).save(first(root))  # a palette of the same colours is as good
    assert torch.equal(load_segmentation("camvid32", root, "train").values(0), whole)
    label(first(root), (0, 1), fake.SIZE)
    with pytest.raises(UserError, match=r"\(PNG, mode L\) is no colour mask as .* use the data set 'camvid'"):
        load_segmentation("camvid32", root, "train")[0]
    Image.fromarray(np.zeros((6, 6, 3), np.uint8)).save(first(root))
    with pytest.raises(UserError, match="is 6x6 but its picture .* is 64x12"):
        load_segmentation("camvid32", root, "train")[0]


def test_what_is_missing_is_named_with_where_it_is_to_be_had(tmp_path: Path) -> None:
    root = fake.write(tmp_path)
    first(root).unlink()
    with pytest.raises(MissingFilesError, match="1 of 5 pictures have no label"):
        load_segmentation("camvid32", root, "train")
    for file in [*root.glob("*/0016E5_07959*"), *root.glob("*/0016E5_08159*")]:
        file.unlink()
    with pytest.raises(UserError, match="holds no picture of the split 'val': was the archive unpacked whole"):
        load_segmentation("camvid32", root, "val")
    assert splits("camvid32", root) == ["train", "test"]
    (root / "LabeledApproved_full").rename(root / "elsewhere")
    with pytest.raises(
        UserError, match=r"has no LabeledApproved_full: get LabeledApproved_full\.zip from http://mi\.eng"
    ):
        load_segmentation("camvid32", root, "train")
