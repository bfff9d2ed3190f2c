"""IoU within bands around boundaries: by hand, and against every pixel looking at every other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from label_maps import maps, pair

from gald.metrics import MeanIoU
from gald.metrics.bands import BandIoU
from gald.support.errors import UserError


def test_bands_by_hand():
    metric = BandIoU(2, names=["road", "car"], bands=(1, 2))
    metric.update(maps([0, 0, 0, 1, 1, 1, 1, 0]), maps([0, 0, 0, 0, 1, 1, 1, 1]))
    found = metric.compute()
    # within 1: the pixels 3 and 4; within 2: 2 to 5; interior: 0, 1, 6 and 7
    assert (found["band_iou/1px/road"], found["band_iou/1px/car"]) == (0, 1 / 2)
    assert (found["band_iou/2px/road"], found["band_iou/2px/car"]) == (1 / 2, 2 / 3)
    assert (found["band_iou/interior/road"], found["band_iou/interior/car"]) == (2 / 3, 1 / 2)
    assert found["band_iou/2px"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert [found[f"band_accuracy/{each}"] for each in ("1px", "2px", "interior")] == [1 / 2, 3 / 4, 3 / 4]


def test_an_ignored_area_makes_no_boundary_but_does_not_part_its_neighbours():
    metric = BandIoU(2, bands=(1, 3))
    metric.update(maps([0, 0, 1, 1, 0, 0]), maps([0, 0, 255, 255, 0, 0]))
    found = metric.compute()
    assert math.isnan(found["band_iou/1px"])
    assert math.isnan(found["band_accuracy/3px"])
    assert found["band_iou/interior"] == 1
    metric.reset()
    metric.update(maps([0, 0, 1, 1, 1, 1]), maps([0, 0, 255, 255, 1, 1]))
    assert int(metric.confusion()[0].sum()) == 0
    assert metric.confusion()[1].tolist() == [[1, 0], [0, 1]]  # three columns from one to the other


def slow_bands(prediction, truth, classes, bands):
    """Every pixel looks at every other: bands and confusion matrices without a window."""
    height, width = truth.shape
    rows, columns = np.mgrid[:height, :width]
    result = np.zeros((len(bands) + 1, classes, classes), np.int64)
    for y in range(height):
        for x in range(width):
            if truth[y, x] == 255:
                continue
            others = (truth != truth[y, x]) & (truth != 255)
            away = np.maximum(abs(rows - y), abs(columns - x))
            nearest = away[others].min() if others.any() else 10**6
            for number, width_of_band in enumerate(bands):
                result[number, truth[y, x], prediction[y, x]] += nearest <= width_of_band
            result[-1, truth[y, x], prediction[y, x]] += nearest > bands[-1]
    return result


@pytest.mark.parametrize("seed", range(4))
def test_bands_against_every_pixel_looking_at_every_other(seed: int):
    prediction, truth = pair(seed, 4, 19, 27, ignored=0.2, cell=9)
    metric = BandIoU(4, bands=(1, 2, 5))
    metric.update(prediction, truth)
    expected = slow_bands(prediction[0].numpy(), truth[0].numpy(), 4, (1, 2, 5))
    assert (metric.confusion().numpy() == expected).all()
    assert expected[0].sum() < expected[1].sum() < expected[2].sum()
    assert expected[-1].sum() > 0


def test_bands_and_interior_are_the_whole_and_batches_add_up():
    (first, truth), (second, other) = (pair(seed, 5, 24, 32, ignored=0.1) for seed in (1, 2))
    metric, whole = BandIoU(5), MeanIoU(5)
    for prediction, target in ((first, truth), (second, other)):
        metric.update(prediction, target)
    whole.update(torch.cat([first, second]), torch.cat([truth, other]))
    assert torch.equal(metric.confusion()[-2:].sum(0), whole.confusion)
    together = BandIoU(5)
    together.update(torch.cat([first, second]), torch.cat([truth, other]))
    assert torch.equal(together.rings, metric.rings)


@pytest.mark.parametrize("bands", [(), (0, 1), (3, 1), (2, 2)])
def test_bands_must_grow(bands: tuple[int, ...]):
    with pytest.raises(UserError, match="growing whole numbers of pixels from 1"):
        BandIoU(2, bands=bands)
