"""iIoU worked by hand, and against a count instance by instance."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gald.metrics import InstanceIoU
from gald.metrics.instance_iou import Group
from gald.support.errors import UserError

# 0 is not scored, 1 road, 2 person, 3 car, 4 caravan (a vehicle that is not scored)
KINDS = {
    "class": {"road": Group((1,)), "person": Group((2,), (2,)), "car": Group((3,), (3,))},
    "category": {"flat": Group((1,)), "thing": Group((2, 3), (2, 3, 4))},
}
SIZES = {2: 4.0, 3: 10.0}


def maps(*rows: list[int]) -> Tensor:
    return torch.tensor([rows])


TRUTH = maps([1, 1, 1, 1, 1, 0], [2, 2, 2, 2, 3, 0], [2, 1, 3, 3, 3, 4])
INSTANCES = maps([1, 1, 1, 1, 1, 0], [2000, 2000, 2001, 2, 3000, 0], [2000, 1, 3007, 3007, 3000, 4000])
PREDICTION = maps([1, 1, 2, 1, 3, 2], [2, 0, 2, 1, 3, 3], [2, 1, 4, 3, 2, 3])


def found(prediction: Tensor, truth: Tensor, instances: Tensor) -> dict[str, float]:
    metric = InstanceIoU(KINDS, 5, SIZES)
    metric.update(prediction, truth, instances)
    return metric.compute()


def test_by_hand() -> None:
    scores = found(PREDICTION, TRUTH, INSTANCES)
    # person: instance 2000 has 3 pixels, 2 found; 2001 has 1, found; the crowd's pixel counts in neither.
    # False: 1 on the road, 1 on a car; the one on the ignored pixel counts for nobody.
    person = (2 * 4 / 3 + 1 * 4 / 1, 1 * 4 / 3, 2)
    # car: 3000 has 2 pixels, 1 found; 3007 has 2, 1 found. False: 1 on the road.
    car = (1 * 10 / 2 + 1 * 10 / 2, 1 * 10 / 2 + 1 * 10 / 2, 1)
    # thing: 3000 is found whole (a pixel as a person), 3007 too (a pixel as a caravan). False: 2 on the road.
    thing = (2 * 4 / 3 + 4 + 10 + 10, 4 / 3, 2)
    expected = {
        "iou_class/road": 4 / 7,  # found 3 + 1, missed 2, false 1
        "iou_class/person": 3 / 7,  # missed 2, false 2
        "iou_class/car": 2 / 5,  # missed 2, false 1
        "iiou_class/person": person[0] / sum(person),
        "iiou_class/car": car[0] / sum(car),
        "iiou_class/road": math.nan,
        "iou_category/flat": 4 / 7,
        "iou_category/thing": 6 / 11,  # 9 true, 3 of them nothing, road and caravan; false 2
        "iiou_category/thing": thing[0] / sum(thing),
        "iiou_category/flat": math.nan,
        "iou_class": (4 / 7 + 3 / 7 + 2 / 5) / 3,
        "iiou_class": (person[0] / sum(person) + car[0] / sum(car)) / 2,
        "iou_category": (4 / 7 + 6 / 11) / 2,
        "iiou_category": thing[0] / sum(thing),
    }
    assert scores == pytest.approx(expected, rel=1e-14, nan_ok=True)


def test_one_pixel_of_a_small_instance_weighs_as_a_large_ones_many() -> None:
    truth = torch.full((1, 1, 11), 2)
    instances = torch.tensor([[[2000] * 10 + [2001]]])
    half = found(truth.masked_fill(instances == 2000, 1), truth, instances)
    assert half["iiou_class/person"] == 1 / 2
    assert half["iou_class/person"] == 1 / 11


def test_an_instance_belongs_to_its_own_picture() -> None:
    both = InstanceIoU(KINDS, 5, SIZES)
    truth = maps([2, 2, 2, 2])
    both.update(
        torch.cat([truth, maps([2, 1, 1, 1])]), torch.cat([truth] * 2), torch.cat([maps([2000] * 4), maps([2000] * 4)])
    )
    assert both.compute()["iiou_class/person"] == (4 + 1) / 8
    one, other = InstanceIoU(KINDS, 5, SIZES), InstanceIoU(KINDS, 5, SIZES)
    one.update(truth, truth, maps([2000] * 4))
    other.update(maps([2, 1, 1, 1]), truth, maps([2000] * 4))
    one.merge_state(other)
    assert one.compute() == pytest.approx(both.compute(), nan_ok=True)


def test_against_a_count_instance_by_instance() -> None:
    generator = torch.Generator().manual_seed(0)

    def random(most: int) -> Tensor:
        return torch.randint(most, (1, 40, 50), generator=generator)

    truth, prediction, number = random(5), random(5), random(30) ** 2 // 40
    prediction = torch.where(random(3) == 0, prediction, truth)
    instances = torch.where((truth >= 2) & (random(4) > 0), truth * 1000 + number, truth)
    scores = found(prediction, truth, instances)
    for kind, groups in KINDS.items():
        scored = {label for group in groups.values() for label in group.labels}
        for name, group in groups.items():
            hit = missed = 0.0
            for value in sorted({*instances.flatten().tolist()}):
                label = value // 1000
                if value >= 1000 and label in group.labels and label in SIZES:
                    pixels = prediction[instances == value].tolist()
                    right = sum(pixel in group.found_as for pixel in pixels)
                    hit += right * SIZES[label] / len(pixels)
                    missed += (len(pixels) - right) * SIZES[label] / len(pixels)
            pairs = zip(truth.flatten().tolist(), prediction.flatten().tolist(), strict=True)
            false = sum(a in scored and a not in group.labels and b in group.found_as for a, b in pairs)
            expected = hit / (hit + missed + false) if group.found_as else math.nan
            assert scores[f"iiou_{kind}/{name}"] == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_strange_values_are_named() -> None:
    with pytest.raises(UserError, match="prediction holds the value 5"):
        found(maps([5]), maps([1]), maps([1]))
    with pytest.raises(UserError, match="truth holds the value 255"):
        found(maps([1]), maps([255]), maps([1]))
    with pytest.raises(UserError, match="instance map holds the value 5000"):
        found(maps([1]), maps([1]), maps([5000]))
