"""The drawn shapes: repeatable, true to their boxes and masks, small ones and empty pictures among them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gald.data.datasets.shapes import LABELS, shapes
from gald.data.detection import DetectionDataset
from gald.data.registry import load_detection, splits
from gald.support.errors import UserError


@pytest.fixture(scope="module")
def data() -> DetectionDataset:
    return load_detection("shapes", None, "train")


def test_a_picture_is_a_function_of_seed_split_and_index(data: DetectionDataset) -> None:
    one, again = data[7], shapes()[7]
    assert all(torch.equal(one[key], again[key]) for key in ("image", "boxes", "classes", "masks", "areas"))  # type: ignore[literal-required]
    others = [shapes(seed=1)[7], shapes(split="val")[7], data[8]]
    assert not any(torch.equal(one["image"], other["image"]) for other in others)
    assert (one["name"], one["image_id"]) == ("train_00007", 7)
    assert torch.equal(data.image(7), one["image"])


def test_boxes_hold_their_masks_tightly_and_masks_do_not_meet(data: DetectionDataset) -> None:
    for i in range(40):
        truth = data.target(i)
        assert truth["masks"].sum(0).max() <= 1 or not len(truth["masks"])
        for box, mask, area in zip(truth["boxes"], truth["masks"], truth["areas"], strict=True):
            rows, columns = mask.nonzero().unbind(1)
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert area == mask.sum() > 0


def test_an_object_has_another_colour_than_the_ground_around_it(data: DetectionDataset) -> None:
    for i in range(40):
        sample = data[i]
        ground = sample["image"].float()[:, ~sample["masks"].any(0)].mean(1)
        for mask in sample["masks"]:
            assert (sample["image"].float()[:, mask].mean(1) - ground).abs().max() > 25


def test_every_class_small_and_large_objects_and_empty_pictures_occur(data: DetectionDataset) -> None:
    truths = [data.target(i) for i in range(len(data))]
    classes = torch.cat([truth["classes"] for truth in truths]).bincount(minlength=len(LABELS))
    assert [label.name for label in data.labels] == ["disc", "ring", "square", "triangle", "bar"]
    assert [label.id for label in data.labels] == [1, 2, 3, 4, 5]
    assert classes.min() > 100
    areas = torch.cat([truth["areas"] for truth in truths])
    assert areas.min() < 20
    assert areas.max() > 32**2
    counts = [len(truth["boxes"]) for truth in truths]
    assert (min(counts), max(counts)) == (0, 7)


@pytest.mark.parametrize("size", [(16, 16), (33, 97), (200, 50)])
def test_any_size(size: tuple[int, int]) -> None:
    made = shapes(size=size, length=5)
    assert [made[i]["image"].shape for i in range(5)] == [(3, *size)] * 5
    assert len(made) == 5
    with pytest.raises(IndexError):
        made[5]


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(UserError, match="unknown split"):
        shapes(split="tarin")
    with pytest.raises(UserError, match="at least 16x16 pixels, not 20x8"):
        shapes(size=(8, 20))
    assert splits("shapes", None) == ["train", "val", "test"]
    assert len(load_detection("shapes", Path("anywhere"), "val")) == 64
