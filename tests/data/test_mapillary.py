"""Mapillary Vistas on its fake trees: both versions, both layouts, the 19 Cityscapes classes, and bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fake import mapillary as fake
from fake.streets import label

from gald.data.datasets import cityscapes as gald_cityscapes
from gald.data.datasets.mapillary import TO_CITYSCAPES
from gald.data.files import MissingFilesError
from gald.data.labels import Label
from gald.data.registry import load_segmentation, splits
from gald.support.errors import UserError

# Vistas 1.2 id -> Cityscapes train id, as RobustNet and the benchmarks after it number them
TRAIN_IDS = {
    13: 0, 24: 0, 41: 0, 2: 1, 15: 1, 17: 2, 6: 3, 3: 4, 45: 5, 47: 5, 48: 6, 50: 7, 30: 8, 29: 9, 27: 10, 19: 11,
    20: 12, 21: 12, 22: 12, 55: 13, 61: 14, 54: 15, 58: 16, 57: 17, 52: 18,
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fake.write(tmp_path)


def bands(mask: torch.Tensor, count: int) -> list[int]:
    """The values of the fake's vertical bands, one for each label of the config."""
    edges = [-(-i * fake.SIZE[1] // count) for i in range(count)]
    return [int(mask[0, edge]) for edge in edges]


@pytest.mark.parametrize("write", [fake.write, fake.write_old])
def test_version_1_2_has_65_classes(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    root = write(tmp_path)
    pairs = load_segmentation("mapillary", root, "train")
    assert len(pairs.labels) == 65
    assert pairs.ignored == (65,)
    assert pairs.labels[13] == Label("Road", (128, 64, 128), 13)
    assert pairs.labels[64] == Label("Ego Vehicle", (120, 10, 10), 64)
    assert bands(pairs.values(1), 66) == list(range(66))
    assert bands(pairs.mask(1), 66) == [*range(65), 255]
    assert torch.equal(pairs.to_label_ids(pairs.mask(1)), pairs.values(1))


def test_version_2_0_has_116_classes(root: Path) -> None:
    pairs = load_segmentation("mapillary_v2", root, "val")
    void = (2, 31, 38, 79, 86, 96, 115, 123)
    assert len(pairs.labels) == 116
    assert sorted(pairs.ignored) == list(void)
    assert pairs.labels[2] == Label("Concrete Block", (250, 170, 32), 3)
    assert pairs.labels[115] == Label("Static", (111, 111, 0), 122)
    scored = [i for i in range(124) if i not in void]
    assert bands(pairs.values(1), 124) == list(range(124))
    assert bands(pairs.mask(1), 124) == [255 if i in void else scored.index(i) for i in range(124)]
    assert pairs.to_label_ids(torch.tensor([[0, 2, 115, 255]])).tolist() == [
        [0, 3, 122, 123]
    ]  # the rest is "Unlabeled"
    assert torch.equal(pairs.to_label_ids(pairs.mask(0)), pairs.values(0))


@pytest.mark.parametrize("version", ["1.2", "2.0"])
def test_the_tables_of_the_fake_have_the_published_counts(version: str) -> None:
    labels = fake.labels_of(version)
    published = {"1.2": (66, 65, 37), "2.0": (124, 116, 70)}  # labels, scored, scored by instance
    found = (
        len(labels),
        sum(each["evaluate"] for each in labels),
        sum(each["instances"] and each["evaluate"] for each in labels),
    )
    assert found == published[version]
    assert len({each["name"] for each in labels}) == len({each["readable"] for each in labels}) == len(labels)


@pytest.mark.parametrize("write", [fake.write, fake.write_old])
def test_the_19_classes_of_cityscapes(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    root = write(tmp_path)
    pairs = load_segmentation("mapillary19", root, "train")
    assert pairs.labels == gald_cityscapes.LABELS  # so that a network goes from one to the other as it is
    assert bands(pairs.mask(1), 66) == [TRAIN_IDS.get(i, 255) for i in range(66)]
    ids = [gald_cityscapes.LABELS[TRAIN_IDS[i]].id if i in TRAIN_IDS else 0 for i in range(66)]
    assert bands(pairs.values(1), 66) == ids
    assert torch.equal(pairs.to_label_ids(pairs.mask(1)), pairs.values(1))


def test_every_name_of_the_map_is_in_the_config() -> None:
    names = [each["name"] for each in fake.labels_of("1.2")]
    scored = {each.id: i for i, each in enumerate(gald_cityscapes.LABELS)}
    assert {names.index(name): scored[to] for name, to in TO_CITYSCAPES.items()} == TRAIN_IDS


@pytest.mark.parametrize("name", ["mapillary", "mapillary_v2", "mapillary19"])
def test_test_pictures_have_nothing_to_score(root: Path, name: str) -> None:
    assert splits(name, root) == ["train", "val", "test"]
    pairs = load_segmentation(name, root, "test")
    assert len(pairs) == 2
    assert pairs[0]["image"].shape == (3, *fake.SIZE)
    assert pairs[0]["mask"].unique().tolist() == [255]


# --- what is wrong


@pytest.mark.parametrize("name", ["mapillary", "mapillary_v2", "mapillary19"])
@pytest.mark.parametrize(("kind", "mode"), [("instances", "I;16"), ("panoptic", "RGB")])
def test_other_maps_of_the_release_in_place_of_labels(root: Path, name: str, kind: str, mode: str) -> None:
    below = root / "training" / ("v2.0" if name == "mapillary_v2" else "v1.2")
    path = below / "labels" / f"{fake.PARTS['training'][0]}.png"
    shutil.copy(below / kind / path.name, path)
    sentence = (
        rf"label {path} is no map of classes \(mode {mode}\): .*instances/ have 16 bits \(class \* 256 \+ number\)"
    )
    with pytest.raises(UserError, match=sentence):
        load_segmentation(name, root, "train")[0]


@pytest.mark.parametrize("value", [66, 123, 255])
@pytest.mark.parametrize("name", ["mapillary", "mapillary19"])
def test_labels_of_version_2_under_1_2_are_refused(root: Path, name: str, value: int) -> None:
    label(root / "training/v1.2/labels" / f"{fake.PARTS['training'][0]}.png", (13, value), fake.SIZE)
    with pytest.raises(UserError, match=rf"has the value {value} at \(x, y\) = \(124, 0\), which is no class"):
        load_segmentation(name, root, "train")[0]


def test_a_missing_part_is_named(root: Path) -> None:
    again = r"extract the archive of the release again, from https://www\.mapillary\.com/dataset/vistas"
    gone = root / "training/v1.2/labels" / f"{fake.PARTS['training'][0]}.png"
    gone.unlink()
    with pytest.raises(MissingFilesError, match=rf"1 of 4 files are missing, the first is {gone}: {again}") as caught:
        load_segmentation("mapillary", root, "train")
    assert len(caught.value.rest) == 1
    shutil.rmtree(root / "training/v1.2")
    words = rf"{root} holds no labels of version 1\.2 \(training/v1\.2/labels or training/labels\): {again}"
    with pytest.raises(UserError, match=words):
        load_segmentation("mapillary19", root, "train")
    (root / "config_v2.0.json").unlink()
    with pytest.raises(UserError, match=rf"{root} holds no config_v2\.0\.json, which names the classes: {again}"):
        load_segmentation("mapillary_v2", root, "train")
    shutil.rmtree(root / "validation/images")
    with pytest.raises(UserError, match=rf"{root} holds no pictures validation/images/\*\.jpg: {again}"):
        load_segmentation("mapillary", root, "val")
    assert splits("mapillary", root) == ["train", "test"]


def test_the_older_release_has_no_version_2_0(tmp_path: Path) -> None:
    root = fake.write_old(tmp_path)
    with pytest.raises(UserError, match=r"holds no labels of version 2\.0 \(training/v2\.0/labels\)"):
        load_segmentation("mapillary_v2", root, "train")
    (root / "config.json").unlink()
    with pytest.raises(UserError, match=r"holds no config_v1\.2\.json or config\.json, which names the classes"):
        load_segmentation("mapillary", root, "train")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"names": []}', '{"labels": [{"name": "a"}]}', '{"labels": [{"name": "a", "readable": "A", '
    '"color": [1, 2], "evaluate": true}]}']
)  # fmt: skip
def test_another_json_in_place_of_the_config(root: Path, text: str) -> None:
    (root / "config_v1.2.json").write_text(text)
    with pytest.raises(UserError, match=r"config_v1\.2\.json is not the config of a Vistas release \(\w+: "):
        load_segmentation("mapillary", root, "train")


def test_names_and_flags_come_from_the_config(root: Path) -> None:
    config = json.loads((root / "config_v1.2.json").read_text())
    config["labels"][0] |= {"readable": "Duck", "color": [1, 2, 3]}
    config["labels"][1]["evaluate"] = False
    (root / "config_v1.2.json").write_text(json.dumps(config))
    pairs = load_segmentation("mapillary", root, "train")
    assert pairs.labels[:2] == (Label("Duck", (1, 2, 3), 0), Label("Curb", (196, 196, 196), 2))
    assert pairs.ignored == (65, 1)
