"""The drawn streets: repeatable, of any size, and really in need of far context."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gald.data.datasets.synthetic import synthetic
from gald.data.segmentation import SegmentationDataset
from gald.support.errors import UserError


def ids(data: SegmentationDataset) -> dict[str, int]:
    return {label.name: i for i, label in enumerate(data.labels)}


def test_a_picture_is_a_function_of_seed_split_and_index() -> None:
    whole = synthetic(size=(32, 48))
    again = synthetic(size=(32, 48))
    assert torch.equal(whole[9]["image"], again[9]["image"])
    assert torch.equal(whole[9]["mask"], again[9]["mask"])
    others = [synthetic(size=(32, 48), seed=1)[9], synthetic(split="val", size=(32, 48))[9], whole[8]]
    assert not any(torch.equal(whole[9]["image"], other["image"]) for other in others)
    assert torch.equal(whole.image(9), whole[9]["image"])
    assert torch.equal(whole.values(9), whole[9]["mask"])
    assert torch.equal(whole.mask(9), whole[9]["mask"])


@pytest.mark.parametrize("size", [(8, 8), (16, 16), (97, 33), (128, 256)])
@pytest.mark.parametrize("classes", [2, 3, 8, 11, 19, 253])
def test_any_size_and_any_number_of_classes(size: tuple[int, int], classes: int) -> None:
    data = synthetic(size=size, classes=classes, length=3)
    assert len(data) == 3
    assert len(data.labels) == len({label.name for label in data.labels}) == classes
    for i in range(3):
        assert data[i]["image"].shape == (3, *size)
        assert data[i]["mask"].shape == size
        assert data[i]["mask"].max() < classes


@pytest.mark.parametrize("classes", [8, 16])
def test_every_class_occurs(classes: int) -> None:
    data = synthetic(classes=classes, size=(64, 128), length=80)
    seen = torch.stack([torch.bincount(data.mask(i).flatten(), minlength=classes) for i in range(len(data))]).sum(0)
    assert (seen > 0).all()
    small = [seen[ids(data)[name]] / seen.sum() for name in ("pole", "sign", "person")]
    assert max(small) < 0.04


def test_a_loop_over_the_set_ends() -> None:
    assert len(list(synthetic(size=(8, 8), length=4))) == 4


def test_twins_look_alike() -> None:
    """Colour and grain of road and water (building and wall) do not tell them apart, in a picture or over the set."""
    data = synthetic(classes=11, length=60, size=(64, 128))
    for one, two in (("road", "water"), ("building", "wall")):
        means, grains = [], []
        for i in range(len(data)):
            image, mask = data.image(i).float(), data.mask(i)
            parts = [image[:, mask == ids(data)[name]] for name in (one, two)]
            if min(part.shape[1] for part in parts) > 200:
                means.append(parts[0].mean(1) - parts[1].mean(1))
                grains.append(parts[0].std(1) - parts[1].std(1))
        assert len(means) > 25
        assert torch.stack(means).mean(0).abs().max() < 1.5
        assert torch.stack(grains).mean(0).abs().max() < 1.5


def test_the_sky_tells_which_half_of_the_ground_is_water() -> None:
    data = synthetic(classes=11, length=40, size=(64, 128))
    columns = torch.arange(128).float().expand(64, -1)
    warm = []
    for i in range(len(data)):
        image, mask = data.image(i).float(), data.mask(i)
        sky = image[:, mask == ids(data)["sky"]].mean(1)
        water, road = (columns[mask == ids(data)[name]].mean() for name in ("water", "road"))
        warm.append(bool(sky[0] > sky[2]))
        assert warm[-1] == bool(water > road)
    assert 8 < sum(warm) < 32


def test_the_sun_tells_which_houses_are_buildings() -> None:
    data = synthetic(classes=11, length=40, size=(64, 128))
    columns = torch.arange(128).float().expand(64, -1)
    left = []
    for i in range(len(data)):
        image, mask = data.image(i).float(), data.mask(i)
        light = image.mean(0) * (mask == ids(data)["sky"])
        sun = columns[light > 225].mean()
        building, wall = (columns[mask == ids(data)[name]].mean() for name in ("building", "wall"))
        left.append(bool(sun < 64))
        assert left[-1] == bool(building < wall)
    assert 8 < sum(left) < 32


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(UserError, match="at least 8x8 pixels, not 9x7"):
        synthetic(size=(7, 9))
    with pytest.raises(UserError, match="2 to 253 classes, not 1"):
        synthetic(classes=1)
    with pytest.raises(UserError, match="unknown split 'vall'; did you mean 'val'"):
        synthetic(Path(), "vall")
