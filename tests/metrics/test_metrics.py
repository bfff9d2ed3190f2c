"""Numbers worked by hand on small maps, and slow references (class by class, scipy) on random ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from label_maps import blobs, maps, pair
from scipy import ndimage

from gald.metrics import BoundaryF, BoundaryIoU, MeanIoU, SizeIoU, segmentation_metrics
from gald.metrics.boundary import boundary_width
from gald.metrics.size import object_area
from gald.support.errors import UserError

ALL = [MeanIoU, BoundaryIoU, BoundaryF, SizeIoU]


def result(metric, prediction, target):
    metric.update(prediction, target)
    return metric.compute()


def same(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=0, abs=1e-12, nan_ok=True), key


# ---------------------------------------------------------------- mean IoU


def test_iou_by_hand():
    truth = maps([0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2], [2, 2, 255, 255])
    prediction = maps([0, 0, 0, 1], [0, 0, 1, 1], [2, 2, 2, 1], [2, 2, 3, 3])
    metric = MeanIoU(4, names=["road", "car", "sky", "train"])
    same(
        result(metric, prediction, truth),
        {
            "miou": (4 / 5 + 3 / 5 + 5 / 6) / 3,
            "pixel_accuracy": 12 / 14,
            "iou/road": 4 / 5,
            "iou/car": 3 / 5,
            "iou/sky": 5 / 6,
            "iou/train": math.nan,
        },
    )
    assert metric.confusion.tolist() == [[4, 0, 0, 0], [1, 3, 0, 0], [0, 1, 5, 0], [0, 0, 0, 0]]


def test_iou_sums_pixels_and_does_not_average_images():
    metric = MeanIoU(2)
    metric.update(maps([0, 0, 0, 0]), maps([0, 0, 0, 1]))
    found = result(metric, maps([1, 1, 1, 1]), maps([1, 1, 1, 1]))
    assert found["iou/0"] == pytest.approx(3 / 4)
    assert found["iou/1"] == pytest.approx(4 / 5)


def test_a_class_that_is_only_predicted_counts_as_zero():
    found = result(MeanIoU(3), maps([0, 1]), maps([0, 0]))
    assert found["iou/1"] == 0
    assert math.isnan(found["iou/2"])
    assert found["miou"] == pytest.approx(1 / 4)


def naive_ious(prediction, truth, classes):
    """Counted class by class in float64, as the definition reads."""
    values = []
    for each in range(classes):
        true, guessed = (truth == each).astype(np.float64), (prediction == each).astype(np.float64)
        union = np.maximum(true, guessed).sum()
        values.append((true * guessed).sum() / union if union else math.nan)
    return values


COUNTED = [(5, (520, 640)), (19, (61, 83)), (200, (25, 31)), (300, (25, 31))]
TYPES = [torch.uint8, torch.int16, torch.int64]


@pytest.mark.parametrize(
    ("classes", "size", "dtype"), [(*each, dtype) for each in COUNTED for dtype in TYPES[each[0] == 300 :]]
)
def test_iou_equals_a_naive_count(classes, size, dtype):
    ignored, spread = (255, 1) if classes < 256 else (-1, 9)
    metric, prediction, truth = MeanIoU(classes, ignore_index=ignored), [], []
    for seed in range(3):
        ours, theirs = pair(20 + seed, min(classes, 30), *size, ignored=0.2, cell=9)
        valid, ours, theirs = (theirs != 255).numpy(), ours * spread, theirs.masked_fill(theirs == 255, 0) * spread
        metric.update(ours.to(dtype), theirs.masked_fill(~torch.from_numpy(valid), ignored).to(dtype))
        prediction.append(ours.numpy()[valid])
        truth.append(theirs.numpy()[valid])
    prediction, truth = np.concatenate(prediction), np.concatenate(truth)
    expected, found = naive_ious(prediction, truth, classes), metric.compute()
    assert [found[f"iou/{each}"] for each in range(classes)] == pytest.approx(expected, rel=1e-15, nan_ok=True)
    assert found["miou"] == pytest.approx(np.nanmean(expected), rel=1e-15)
    assert int(metric.confusion.sum()) == len(truth)


# ---------------------------------------------------------------- what all have in common


@pytest.mark.parametrize("metric", ALL)
def test_strange_values_are_named(metric):
    good, one_more, strange = maps([0, 1]), maps([0, 2]), maps([33, 1])
    with pytest.raises(UserError, match="prediction holds the value 2"):
        metric(2).update(one_more, good)
    with pytest.raises(UserError, match="truth holds the value 33"):
        metric(2).update(good, strange)
    with pytest.raises(UserError, match="prediction holds the value -1"):
        metric(2).update(-good, good)
    with pytest.raises(UserError, match="truth holds the value 255"):
        metric(2, ignore_index=-100).update(good, maps([0, 255]))


@pytest.mark.parametrize("metric", ALL)
def test_wrong_names_and_ignored_classes_are_refused(metric):
    with pytest.raises(UserError, match="1 class names were given for 2 classes"):
        metric(2, names=["road"])
    with pytest.raises(UserError, match="class name 'road' stands for more than one class"):
        metric(2, names=["road", "road"])
    with pytest.raises(UserError, match="ignore_index 0 is one of the 2 classes"):
        metric(2, ignore_index=0)


@pytest.mark.parametrize("metric", ALL)
def test_what_is_predicted_under_ignored_pixels_is_not_seen(metric):
    prediction, truth = pair(1, 4, 37, 41, ignored=0.3)
    other = torch.where(truth == 255, (prediction + 1) % 4, prediction)
    assert not torch.equal(prediction, other)
    same(result(metric(4), prediction, truth), result(metric(4), other, truth))


@pytest.mark.parametrize("metric", ALL)
def test_right_on_all_valid_pixels_is_exactly_one(metric):
    truth = blobs(2, 4, 37, 41, ignored=0.3)
    found = result(metric(4), truth.masked_fill(truth == 255, 2), truth)
    values = [value for value in found.values() if not math.isnan(value)]
    assert values
    assert set(values) == {1.0}


@pytest.mark.parametrize("metric", ALL)
def test_nothing_but_ignored_pixels_is_not_available(metric):
    found = result(metric(2), maps([0, 1], [1, 0]), torch.full((1, 2, 2), 255))
    assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize("metric", ALL)
def test_other_ignored_values_and_integer_types(metric):
    prediction, truth = pair(3, 4, 25, 31, ignored=0.2)
    expected = result(metric(4), prediction, truth)
    same(result(metric(4), prediction.to(torch.uint8), truth.to(torch.uint8)), expected)
    same(result(metric(4, ignore_index=-100), prediction, truth.masked_fill(truth == 255, -100)), expected)


@pytest.mark.parametrize("metric", ALL)
def test_more_classes_than_a_byte_or_a_word_of_bits(metric):
    prediction, truth = pair(4, 40, 33, 47, cell=3)
    few = result(metric(40), prediction, truth)
    names = [str(7 * each) for each in range(40)]
    many = result(metric(300, ignore_index=-1), prediction * 7, truth * 7)
    for key, value in few.items():
        head, _, name = key.rpartition("/")
        key = f"{head}/{names[int(name)]}" if name.isdigit() else key
        assert many[key] == pytest.approx(value, nan_ok=True), key


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_tiny_pictures(height, width):
    metrics = segmentation_metrics(2)
    truth = torch.arange(height * width).reshape(1, height, width) % 2
    metrics.update(truth, truth)
    found = metrics.compute()
    assert found["miou"] == 1
    assert found["boundary_iou"] == 1


def test_batches_and_processes_make_no_difference():
    names = list("abcde")
    pairs = [pair(seed, 5, 40, 56, ignored=0.2) for seed in range(4)]
    predictions, truths = (torch.cat(each) for each in zip(*pairs, strict=True))
    together, first, second = (segmentation_metrics(5, names) for _ in range(3))
    together.update(predictions, truths)
    expected = together.compute()
    first.update(predictions[:1], truths[:1])
    second.update(predictions[1:3], truths[1:3])
    second.update(predictions[3:], truths[3:])
    for key, metric in first.items():
        metric.merge_state(second[key])
    same(first.compute(), expected)
    assert {"miou", "boundary_iou/a", "boundary_f/3px", "boundary_f/12px/e", "iou_small/b"} <= expected.keys()
    assert all(isinstance(value, float) for value in expected.values())


def test_reset_forgets():
    metrics = segmentation_metrics(3)
    metrics.update(*pair(5, 3, 20, 20))
    metrics.reset()
    prediction, truth = pair(6, 3, 20, 20)
    metrics.update(prediction, truth)
    fresh = segmentation_metrics(3)
    fresh.update(prediction, truth)
    same(metrics.compute(), fresh.compute())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_same_on_the_gpu():
    here, there = segmentation_metrics(40), segmentation_metrics(40).to("cuda")
    prediction, truth = pair(7, 40, 120, 160, ignored=0.2)
    here.update(prediction, truth)
    there.update(prediction.cuda(), truth.cuda())
    same(there.compute(), here.compute())


# ---------------------------------------------------------------- Boundary IoU


def test_boundary_iou_by_hand():
    # d = 1. Class 0: truth 12 pixels (15 less the inner column's 3), prediction 14 (20 less 6), 9 in common.
    truth = maps(*[[0, 0, 0, 1, 1]] * 5)
    prediction = maps(*[[0, 0, 0, 0, 1]] * 5)
    expected = {"boundary_iou": (9 / 17 + 1 / 2) / 2, "boundary_iou/0": 9 / 17, "boundary_iou/1": 1 / 2}
    same(result(BoundaryIoU(2), prediction, truth), expected)


def test_the_rim_of_an_ignored_area_is_no_boundary_and_the_frame_is():
    metric = BoundaryIoU(2)
    found = result(metric, maps(*[[0, 0, 0, 1, 1]] * 5), maps(*[[0, 0, 0, 255, 255]] * 5))
    # first column, and the ends of the other two: 9. Were the rim a boundary, it would be 12.
    assert metric.union.tolist() == [9, 0]
    assert found["boundary_iou/0"] == 1
    assert math.isnan(found["boundary_iou/1"])


def test_boundary_width_is_the_published_one():
    assert [boundary_width(*size) for size in [(1024, 2048), (480, 640), (360, 480), (1, 1)]] == [46, 16, 12, 1]


def slow_boundary_iou(prediction, truth, classes, width):
    valid = truth != 255
    values = []
    for each in range(classes):
        regions = []
        for labels in (prediction, truth):
            mask = (labels == each) & valid
            inner = ndimage.binary_erosion(mask | ~valid, np.ones((3, 3)), iterations=width)
            regions.append(mask & ~inner)
        union = (regions[0] | regions[1]).sum()
        values.append((regions[0] & regions[1]).sum() / union if union else math.nan)
    return values


@pytest.mark.parametrize("share", [0.02, 0.05, 0.6])
@pytest.mark.parametrize("ignored", [0.0, 0.25])
@pytest.mark.parametrize("size", [(61, 83), (40, 7)])
def test_boundary_iou_against_class_by_class(share, ignored, size):
    prediction, truth = pair(8, 5, *size, ignored)
    found = result(BoundaryIoU(6, share=share), prediction, truth)
    expected = slow_boundary_iou(prediction[0].numpy(), truth[0].numpy(), 6, boundary_width(*size, share))
    assert [found[f"boundary_iou/{each}"] for each in range(6)] == pytest.approx(expected, nan_ok=True)
    assert found["boundary_iou"] == pytest.approx(np.nanmean(expected))


def brute_force_region(mask, width):
    """The published region, pixel by pixel: those of the mask with one outside of it within ``width`` rows and columns.

    Outside is also what lies beyond the picture.
    """
    height, length = mask.shape
    region = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        inside = y >= width and x >= width and y + width < height and x + width < length
        around = mask[max(0, y - width) : y + width + 1, max(0, x - width) : x + width + 1]
        region[y, x] = not (inside and around.all())
    return region


@pytest.mark.parametrize("size", [(30, 47), (20, 9)])
@pytest.mark.parametrize("share", [0.02, 0.08])
def test_boundary_iou_against_its_definition_by_brute_force(size, share):
    metric, width = BoundaryIoU(4, share=share), max(1, round(share * math.hypot(*size)))
    both, either = np.zeros(4), np.zeros(4)
    for seed in range(3):
        prediction, truth = pair(30 + seed, 4, *size)
        metric.update(prediction, truth)
        for each in range(4):
            ours, theirs = (brute_force_region(labels[0].numpy() == each, width) for labels in (prediction, truth))
            both[each] += (ours & theirs).sum()
            either[each] += (ours | theirs).sum()
    found = metric.compute()
    assert [found[f"boundary_iou/{each}"] for each in range(4)] == pytest.approx(list(both / either), rel=1e-15)
    assert found["boundary_iou"] == pytest.approx((both / either).mean(), rel=1e-15)


# ---------------------------------------------------------------- boundary F


def test_boundary_f_by_hand():
    # Contours of class 0: truth at 3, prediction at 5 (met at 2 px) and 7 (not met); of class 1: truth 4, prediction 6.
    found = result(BoundaryF(3, tolerances=(1, 2)), maps([0, 0, 0, 0, 0, 0, 1, 0]), maps([0, 0, 0, 0, 1, 1, 1, 1]))
    expected = {"boundary_f/1px": 0, "boundary_f/1px/0": 0, "boundary_f/1px/1": 0, "boundary_f/1px/2": math.nan}
    second = {"boundary_f/2px": 5 / 6, "boundary_f/2px/0": 2 / 3, "boundary_f/2px/1": 1, "boundary_f/2px/2": math.nan}
    same(found, expected | second)


def test_tolerance_is_a_disc():
    # one pixel of class 1 each, moved by (2, 2): 2.83 px
    truth, prediction = torch.zeros(2, 1, 7, 7, dtype=torch.int64)
    truth[0, 2, 2] = prediction[0, 4, 4] = 1
    found = result(BoundaryF(2, tolerances=(2, 3)), prediction, truth)
    assert [found["boundary_f/2px/1"], found["boundary_f/3px/1"]] == [0, 1]


def test_frame_and_ignored_rim_are_no_contours():
    metric = BoundaryF(2)
    found = result(metric, maps(*[[0, 0, 0, 1, 1]] * 5), maps(*[[0, 0, 0, 255, 255]] * 5))
    assert metric.all_prediction.tolist() == metric.all_target.tolist() == [0, 0]
    assert all(math.isnan(value) for value in found.values())


def test_bad_tolerances_are_refused():
    for tolerances in [(), (3, -1)]:
        with pytest.raises(UserError, match="tolerances"):
            BoundaryF(2, tolerances=tolerances)


def slow_boundary_f(prediction, truth, classes, tolerance):
    valid = truth != 255
    values = []
    for each in range(classes):
        contours = []
        for labels in (prediction, truth):
            others = ndimage.binary_dilation((labels != each) & valid, np.ones((3, 3)))
            contours.append((labels == each) & valid & others)
        shares = []
        for one, other in (contours, contours[::-1]):
            far = ndimage.distance_transform_edt(~other) if other.any() else np.full(one.shape, np.inf)
            shares.append((far[one] <= tolerance).mean() if one.any() else 0.0)
        either = contours[0].any() or contours[1].any()
        values.append((2 * shares[0] * shares[1] / sum(shares) if sum(shares) else 0.0) if either else math.nan)
    return values


@pytest.mark.parametrize("ignored", [0.0, 0.25])
@pytest.mark.parametrize("size", [(61, 83), (40, 7)])
@pytest.mark.parametrize("classes", [5, 33])
def test_boundary_f_against_class_by_class(ignored, size, classes):
    tolerances = (0, 1, 2, 3, 5, 9, 12)
    prediction, truth = pair(9, classes, *size, ignored)
    found = result(BoundaryF(classes + 1, tolerances=tolerances), prediction, truth)
    for tolerance in tolerances:
        expected = slow_boundary_f(prediction[0].numpy(), truth[0].numpy(), classes + 1, tolerance)
        each = [found[f"boundary_f/{tolerance}px/{index}"] for index in range(classes + 1)]
        assert each == pytest.approx(expected, nan_ok=True), tolerance


def test_contours_do_not_meet_across_pictures_of_a_batch():
    left, right = maps([1, 0, 0, 0, 0, 0, 0, 0]), maps([0, 0, 0, 0, 0, 0, 0, 1])
    blank = torch.zeros_like(left)
    found = result(BoundaryF(2), torch.cat([left, blank]), torch.cat([blank, right]))
    assert found["boundary_f/12px"] == 0


# ---------------------------------------------------------------- IoU by size


def test_size_iou_by_hand():
    truth = maps(
        [1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1],
        [1, 0, 0, 0, 0, 0],
    )
    prediction = maps(
        [1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 1, 0, 0, 0],  # false, in a predicted object of 8 pixels
        [1, 1, 1, 1, 1, 1],
        [1, 0, 0, 0, 0, 0],
    )
    expected = {
        "iou_small": 1 / 2,
        "iou_small/sky": math.nan,
        "iou_small/car": 1 / 2,
        "iou_medium": (1 + 3 / 4) / 2,
        "iou_medium/sky": 1,
        "iou_medium/car": 3 / 4,
        "iou_large": (17 / 20 + 7 / 8) / 2,
        "iou_large/sky": 17 / 20,
        "iou_large/car": 7 / 8,
    }
    same(result(SizeIoU(2, names=["sky", "car"], limits=(3, 6)), prediction, truth), expected)


def test_objects_join_at_corners_and_ignored_pixels_part_them():
    # class 1: a diagonal of 4 is one object, medium; with its middle ignored, two small ones
    truth = torch.eye(4, dtype=torch.int64)[None]
    parted = truth.clone()
    parted[0, 1:3, 1:3] = 255
    for target, size, other in ((truth, "medium", "small"), (parted, "small", "medium")):
        found = result(SizeIoU(2, limits=(2, 5)), truth, target)
        assert found[f"iou_{size}/1"] == 1
        assert math.isnan(found[f"iou_{other}/1"])


def test_a_stray_speck_is_a_small_mistake():
    truth, prediction = torch.zeros(2, 1, 8, 8, dtype=torch.int64)
    prediction[0, 3, 3] = 1
    found = result(SizeIoU(2, limits=(2, 5)), prediction, truth)
    assert found["iou_small/1"] == 0
    assert found["iou_large/0"] == pytest.approx(63 / 64)


def test_limits_of_coco_are_the_smallest_medium_and_large():
    for side, size in ((31, "small"), (32, "medium"), (95, "medium"), (96, "large")):
        truth = torch.zeros(1, side, side, dtype=torch.int64)
        assert result(SizeIoU(1), truth, truth)[f"iou_{size}"] == 1
    with pytest.raises(UserError, match="size limits"):
        SizeIoU(1, limits=(5, 5))


@pytest.mark.parametrize("size", [(61, 83), (1, 30), (30, 1), (1, 1)])
@pytest.mark.parametrize("cell", [1, 6])
def test_object_area_against_class_by_class(size, cell):
    labels = blobs(10, 4, *size, cell=cell, ignored=0.2)[0].numpy()
    expected = np.zeros(labels.shape, np.int64)
    for value in np.unique(labels):
        objects, _ = ndimage.label(labels == value, np.ones((3, 3)))
        expected += np.where(objects > 0, np.bincount(objects.ravel())[objects], 0)
    assert np.array_equal(object_area(labels), expected)
