"""Average precision by hand, against loops written from VOC's description, and against pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as coder
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from running import PATIENCE
from scipy import ndimage

from gald.metrics.columns import BOX_COLUMNS, MASK_COLUMNS, means
from gald.metrics.detection import CocoAP, VocAP, detection_metrics
from gald.support.errors import UserError

# pycocotools' decode speaks to numpy as numpy 1 wished
pytestmark = pytest.mark.filterwarnings("ignore:.*__array__ implementation doesn't accept:DeprecationWarning")

NAMES = ["bus", "cat", "dog"]


# ---------------------------------------------------------------- pictures made by hand


def truth(image_id, rows, ignored=(), areas=None, masks=None):
    """An object sample from rows (class, x1, y1, x2, y2); ``ignored`` lists row numbers."""
    values = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    boxes = values[:, 1:]
    sample = {
        "boxes": boxes,
        "classes": values[:, 0].long(),
        "ignored": torch.tensor([row in ignored for row in range(len(boxes))], dtype=torch.bool),
        "areas": (boxes[:, 2:] - boxes[:, :2]).prod(1) if areas is None else torch.tensor(areas, dtype=torch.float32),
        "image_id": image_id,
    }
    return sample if masks is None else sample | {"masks": masks}


def guess(rows, masks=None):
    """A prediction from rows (class, score, x1, y1, x2, y2)."""
    values = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    sample = {"boxes": values[:, 2:], "scores": values[:, 1], "classes": values[:, 0].long()}
    return sample if masks is None else sample | {"masks": masks}


def result(metric, pairs):
    for prediction, target in pairs:
        metric.update(prediction, target)
    return metric.compute()


def same(found, expected, within=1e-12):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=0, abs=within, nan_ok=True), key


def scenes(seed, pictures=6, classes=3, size=(60, 80), start=0):
    """Random pictures with masks: near misses, strangers, wrong classes, scores with ties, some objects ignored."""
    rng = np.random.default_rng(seed)
    pairs = []
    for index in range(pictures):
        truths = random_objects(rng, int(rng.integers(0, 6)), classes, size)
        near = [jittered(rng, row, classes, size) for row in truths for _ in range(int(rng.integers(0, 4)))]
        rows = near + random_objects(rng, int(rng.integers(0, 4)), classes, size)
        scores = rng.integers(1, 10, len(rows)) / 10
        ignored = [row for row in range(len(truths)) if rng.random() < 0.2]
        masks = ellipses(truths, size)
        areas = masks.sum((1, 2)).tolist()
        prediction = guess([(row[0], score, *row[1:]) for row, score in zip(rows, scores, strict=True)],
                           ellipses(rows, size))  # fmt: skip
        pairs.append((prediction, truth(start + 7 * index, truths, ignored, areas, masks)))
    return pairs


def random_objects(rng, count, classes, size):
    rows = []
    for _ in range(count):
        x, y = rng.integers(0, size[1] - 8), rng.integers(0, size[0] - 8)
        rows.append(
            (int(rng.integers(classes)), x, y, rng.integers(x + 4, size[1] + 1), rng.integers(y + 4, size[0] + 1))
        )
    return rows


def jittered(rng, row, classes, size):
    label = row[0] if rng.random() < 0.85 else int(rng.integers(classes))
    x1, y1, x2, y2 = np.asarray(row[1:]) + rng.integers(-3, 4, 4)
    x1, y1 = max(0, x1), max(0, y1)
    return (label, x1, y1, min(max(x2, x1 + 2), size[1]), min(max(y2, y1 + 2), size[0]))


def ellipses(rows, size):
    """A mask for each box: the ellipse in it."""
    masks = torch.zeros(len(rows), *size, dtype=torch.bool)
    y, x = torch.meshgrid(*(torch.arange(side) + 0.5 for side in size), indexing="ij")
    for mask, (_, x1, y1, x2, y2) in zip(masks, rows, strict=True):
        mask |= ((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2 <= 1
    return masks


# ---------------------------------------------------------------- VOC by hand


def test_voc_by_hand():
    # Class bus, 3 counted objects (a fourth is difficult). The surest first: 0.9 hit, 0.8 on the difficult one (left
    # out), 0.7 a second one on the first object (false), 0.6 hit, 0.5 elsewhere (false).
    # Precision 1, 1/2, 2/3, 2/4 at recall 1/3, 1/3, 2/3, 2/3.
    first = truth(1, [(0, 0, 0, 10, 10), (0, 20, 0, 30, 10), (0, 40, 0, 50, 10), (1, 0, 20, 9, 29)], ignored=[1])
    second = truth(2, [(0, 0, 0, 10, 10)])
    ours = guess([(0, 0.9, 0, 0, 10, 10), (0, 0.8, 20, 0, 30, 10), (0, 0.7, 0, 0, 10, 9)])
    theirs = guess([(0, 0.6, 0, 0, 10, 8), (0, 0.5, 30, 30, 40, 40), (2, 0.9, 0, 0, 10, 10)])
    found = result(VocAP(3, names=NAMES), [(ours, first), (theirs, second)])
    # area: 1/3 at precision 1, 1/3 at 2/3. 11 points: recalls 0 .. 0.3 at 1, 0.4 .. 0.6 at 2/3, the rest 0.
    area, eleven = (1 + 2 / 3) / 3, (4 + 3 * 2 / 3) / 11
    expected = {
        "map": area / 2,
        "ap/bus": area,
        "ap/cat": 0.0,  # an object, no detection
        "ap/dog": math.nan,  # a detection, no object
        "map_11point": eleven / 2,
        "ap_11point/bus": eleven,
        "ap_11point/cat": 0.0,
        "ap_11point/dog": math.nan,
    }
    same(found, expected)


def test_voc_overlap_is_the_kits_with_inclusive_pixels():
    # Kit, one-based and inclusive: truth 1..10 x 1..10 (100 pixels), detection 1..5 x 1..10 (50): 50 / 100 is enough.
    # Without the +1 it would be 4 * 9 / (9 * 9) = 0.44.
    assert 4 * 9 / (9 * 9) < 0.5
    target = truth(1, [(0, 0, 0, 10, 10)])
    assert result(VocAP(1), [(guess([(0, 1, 0, 0, 5, 10)]), target)])["map"] == 1
    assert result(VocAP(1), [(guess([(0, 1, 0, 0, 4.99, 10)]), target)])["map"] == 0


def test_voc_takes_the_best_object_even_if_it_is_taken():
    # Both detections overlap the left object best. The right one is free and overlaps the second well, but stays unmet.
    target = truth(1, [(0, 0, 0, 10, 10), (0, 2, 0, 12, 10)])
    found = result(VocAP(1), [(guess([(0, 0.9, 0, 0, 10, 10), (0, 0.8, 0.5, 0, 10.5, 10)]), target)])
    assert found["map"] == 0.5


def test_voc_equal_overlaps_go_to_the_first_object_and_equal_scores_by_picture():
    # The detection lies evenly between a difficult and a counted object: the order of the rows decides.
    halves = [(0, 0, 0, 10, 10), (0, 2, 0, 12, 10)]
    middle = guess([(0, 0.5, 1, 0, 11, 10), (0, 0.1, 50, 50, 60, 60)])
    assert result(VocAP(1), [(middle, truth(1, halves, ignored=[0]))])["map"] == 0
    assert result(VocAP(1), [(middle, truth(1, halves, ignored=[1]))])["map"] == 1
    # equal scores, a hit in one picture, a false one in the other: the smaller image_id comes first
    hit = guess([(0, 0.5, 0, 0, 9, 9)])
    for first, second, expected in ((1, 2, 1.0), (2, 1, 0.5)):
        pairs = [(hit, truth(first, [(0, 0, 0, 9, 9)])), (hit, truth(second, []))]
        assert result(VocAP(1), pairs)["map"] == expected
        assert result(VocAP(1), pairs[::-1])["map"] == expected
    # in one picture the order given
    target = truth(1, [(0, 0, 0, 9, 9)])
    rows = [(0, 0.5, 0, 0, 9, 9), (0, 0.5, 30, 30, 40, 40)]
    assert result(VocAP(1), [(guess(rows), target)])["map"] == 1
    assert result(VocAP(1), [(guess(rows[::-1]), target)])["map"] == 0.5


def test_voc_tenths_are_exact():
    # 10 objects, 3 met: recall 3/10 reaches the point 0.3, which 3 * 0.1 in binary fractions does not
    target = truth(1, [(0, 20 * column, 0, 20 * column + 9, 9) for column in range(10)])
    ours = guess([(0, 0.9 - 0.1 * column, 20 * column, 0, 20 * column + 9, 9) for column in range(3)])
    assert result(VocAP(1), [(ours, target)])["map_11point"] == pytest.approx(4 / 11)


def test_voc_empty_boxes_meet_nothing():
    target = truth(1, [(0, 5, 5, 5, 5), (0, 0, 0, 4, 4)])
    found = result(VocAP(1), [(guess([(0, 0.9, 5, 5, 5, 5), (0, 0.8, 0, 0, 4, 4)]), target)])
    assert found["map"] == 0.25  # one of two objects, at precision 1/2


# ---------------------------------------------------------------- VOC against loops


def slow_voc(pairs, label, least):
    """Area and 11-point average precision of a class, detection by detection, in inclusive one-based pixels."""
    detections, taken, objects = [], {}, 0
    for prediction, target in sorted(pairs, key=lambda pair: pair[1]["image_id"]):
        for row in range(len(prediction["boxes"])):
            if prediction["classes"][row] == label:
                detections.append((float(prediction["scores"][row]), prediction["boxes"][row].tolist(), target))
        objects += int(((target["classes"] == label) & ~target["ignored"]).sum())
    outcomes = []
    for _, (a, b, c, d), target in sorted(detections, key=lambda each: -each[0]):
        best, where = -math.inf, None
        for row in range(len(target["boxes"])):
            if target["classes"][row] != label:
                continue
            x1, y1, x2, y2 = target["boxes"][row].tolist()
            # as the development kit: xmin = x1 + 1, xmax = x2, and every length is last - first + 1
            width = min(c, x2) - max(a + 1, x1 + 1) + 1
            height = min(d, y2) - max(b + 1, y1 + 1) + 1
            if width > 0 and height > 0:
                own = (c - (a + 1) + 1) * (d - (b + 1) + 1)
                other = (x2 - (x1 + 1) + 1) * (y2 - (y1 + 1) + 1)
                shared = width * height / (own + other - width * height)
                if shared > best:
                    best, where = shared, row
        if best < least:
            outcomes.append(False)
        elif not target["ignored"][where]:
            spot = (target["image_id"], where)
            outcomes.append(spot not in taken)
            taken[spot] = True
    if objects == 0:
        return math.nan, math.nan
    points, hits = [], 0
    for rank, outcome in enumerate(outcomes, start=1):
        hits += outcome
        points.append((hits, hits / rank))
    area = sum(max((p for h, p in points if h >= level), default=0.0) for level in range(1, objects + 1)) / objects
    eleven = sum(max((p for h, p in points if 10 * h >= tenth * objects), default=0.0) for tenth in range(11)) / 11
    return area, eleven


@pytest.mark.parametrize("least", [0.5, 0.75])
@pytest.mark.parametrize("seed", range(6))
def test_voc_against_loops(seed, least):
    pairs = scenes(seed, pictures=8)
    found = result(VocAP(4, names=[*NAMES, "never"], iou=least), pairs)
    expected = [slow_voc(pairs, label, least) for label in range(4)]
    for place, rule in enumerate(("", "_11point")):
        values = [each[place] for each in expected]
        assert math.isnan(values[3])
        assert 0 < np.nanmean(values) < 1
        assert [found[f"ap{rule}/{name}"] for name in (*NAMES, "never")] == pytest.approx(values, nan_ok=True)
        assert found[f"map{rule}"] == pytest.approx(np.nanmean(values))


# ---------------------------------------------------------------- COCO by hand


def test_coco_by_hand():
    # One object met exactly, one by 6/10 of it (an overlap of 0.6: 0.5, 0.55 and 0.6 are reached), both large.
    target = truth(4, [(0, 0, 0, 100, 100), (0, 200, 0, 300, 100)])
    ours = guess([(0, 0.9, 0, 0, 100, 100), (0, 0.8, 200, 0, 300, 60)])
    found = result(CocoAP(2, names=["bus", "cat"]), [(ours, target)])
    assert found["box/ap50"] == 1
    # precision 1 up to a recall of 1/2: the points 0 .. 0.50 of 101
    assert found["box/ap75"] == pytest.approx(51 / 101)
    assert found["box/ap"] == pytest.approx((3 * 1 + 7 * 51 / 101) / 10)
    assert found["box/ap"] == found["box/ap_large"] == found["box/ap/bus"]
    assert found["box/ar100"] == pytest.approx((3 * 1 + 7 / 2) / 10)
    assert found["box/ar1"] == 0.5
    assert all(math.isnan(found[key]) for key in ("box/ap_small", "box/ap_small/bus", "box/ap/cat", "box/ar100/cat"))


def test_coco_sizes_go_by_the_annotations_own_area():
    # a box of 100 x 100 around a thin thing of 500 pixels: small, also for boxes
    target = truth(1, [(0, 0, 0, 100, 100)], areas=[500.0])
    found = result(CocoAP(1), [(guess([(0, 0.9, 0, 0, 100, 100)]), target)])
    assert found["box/ap_small"] == found["box/ar_small"] == 1
    assert math.isnan(found["box/ap_large"])


def test_coco_crowds_forgive():
    # two detections in a crowd are neither hits nor false; were it no crowd, the surest would be a second, false one
    rows = [(0, 0, 0, 100, 100), (0, 200, 0, 240, 40)]
    ours = guess([(0, 0.9, 10, 10, 40, 40), (0, 0.8, 50, 50, 90, 90), (0, 0.7, 200, 0, 240, 40)])
    assert result(CocoAP(1), [(ours, truth(1, rows, ignored=[0]))])["box/ap"] == 1
    assert result(CocoAP(1), [(ours, truth(1, rows))])["box/ap"] < 0.3


def test_boundary_sees_what_masks_forgive():
    # a disc of radius 40 predicted with radius 36: IoU 0.81, the rims (here 6 px wide) share far less
    masks = ellipses([(0, 60, 60, 140, 140), (0, 64, 64, 136, 136)], (200, 224))
    target = truth(1, [(0, 60, 60, 140, 140)], areas=[5000.0], masks=masks[:1])
    found = result(CocoAP(1, masks=True), [(guess([(0, 0.9, 64, 64, 136, 136)], masks[1:]), target)])
    assert found["mask/ap75"] == 1
    assert found["boundary/ap75"] == 0


# ---------------------------------------------------------------- COCO against pycocotools

ORDER = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
         "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large")  # fmt: skip


def rim(rle):
    """The pixels of a mask at most d steps from its outside, the frame being outside."""
    mask = coder.decode(rle)
    width = max(1, round(0.02 * math.hypot(*mask.shape)))
    depth = ndimage.distance_transform_cdt(np.pad(mask, 1), metric="chessboard")[1:-1, 1:-1]
    return coder.encode(np.asfortranarray(((depth > 0) & (depth <= width)).astype(np.uint8)))


class BoundaryEval(COCOeval):
    """pycocotools, with the smaller of mask and rim overlap."""

    def computeIoU(self, image, label):  # noqa: N802
        truths, found = self._gts[image, label], self._dts[image, label]
        ious = super().computeIoU(image, label)
        if not len(ious):
            return ious
        found = [found[row] for row in np.argsort([-each["score"] for each in found], kind="mergesort")][:100]
        rims = coder.iou(*([rim(each["segmentation"]) for each in side] for side in (found, truths)),
                         [each["iscrowd"] for each in truths])  # fmt: skip
        plain = [not each["iscrowd"] for each in truths]
        ious[:, plain] = np.minimum(ious, rims)[:, plain]
        return ious


def reference(dataset, pairs, ids, kind):
    """What pycocotools says of our predictions: the twelve numbers, and per-class precision and recall."""
    rows = []
    for prediction, target in pairs:
        for row in range(len(prediction["boxes"])):
            x1, y1, x2, y2 = prediction["boxes"][row].double().tolist()
            pixels = np.asfortranarray(prediction["masks"][row].numpy().astype(np.uint8))
            shape = {"bbox": [x1, y1, x2 - x1, y2 - y1]} if kind == "box" else {"segmentation": coder.encode(pixels)}
            rows.append({"image_id": target["image_id"], "category_id": ids[int(prediction["classes"][row])],
                         "score": float(prediction["scores"][row]), **shape})  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truths = COCO()
        truths.dataset = dataset
        truths.createIndex()
        evaluate = {"box": COCOeval, "mask": COCOeval, "boundary": BoundaryEval}[kind]
        run = evaluate(truths, truths.loadRes(rows), "bbox" if kind == "box" else "segm")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


def compare(found, run, kind, names):
    """All twelve numbers, and each class at each size."""
    ours = [found[f"{kind}/{key}"] for key in ORDER]
    theirs = [math.nan if value == -1 else value for value in run.stats]
    assert ours == pytest.approx(theirs, rel=0, abs=1e-9, nan_ok=True), kind
    precision = np.where(run.eval["precision"] == -1, np.nan, run.eval["precision"])[..., -1]
    for place, name in enumerate(names):
        for size, key in enumerate(("ap", "ap_small", "ap_medium", "ap_large")):
            expected = precision[:, :, place, size].mean()  # all of them NaN or none
            assert found[f"{kind}/{key}/{name}"] == pytest.approx(expected, abs=1e-9, nan_ok=True), (kind, key, name)
        for key, threshold in (("ap50", 0), ("ap75", 5)):
            expected = precision[threshold, :, place, 0].mean()
            assert found[f"{kind}/{key}/{name}"] == pytest.approx(expected, abs=1e-9, nan_ok=True), (kind, key, name)


def as_dataset(pairs, classes):
    """Samples as a COCO file would have them, with masks coded by pycocotools."""
    annotations = []
    for _, target in pairs:
        for row in range(len(target["boxes"])):
            x1, y1, x2, y2 = target["boxes"][row].tolist()
            runs = coder.encode(np.asfortranarray(target["masks"][row].numpy().astype(np.uint8)))
            annotations.append({
                "id": len(annotations) + 1, "image_id": target["image_id"], "bbox": [x1, y1, x2 - x1, y2 - y1],
                "category_id": int(target["classes"][row]) + 1, "area": float(target["areas"][row]),
                "iscrowd": int(target["ignored"][row]), "segmentation": runs,
            })  # fmt: skip
    height, width = pairs[0][1]["masks"].shape[1:]
    images = [{"id": target["image_id"], "height": height, "width": width} for _, target in pairs]
    return {"images": images, "annotations": annotations, "categories": [{"id": k + 1} for k in range(classes)]}


@pytest.mark.parametrize("seed", [0, 1])
def test_coco_equals_pycocotools_on_made_pictures(seed):
    pairs = scenes(seed, pictures=10, size=(110, 130))
    found = result(CocoAP(4, names=[*NAMES, "never"], masks=True), pairs)
    assert math.isnan(found["box/ap/never"])
    for kind in ("box", "mask", "boundary"):
        run = reference(as_dataset(pairs, 4), pairs, [1, 2, 3, 4], kind)
        assert 0.01 < run.stats[0] < 0.95
        compare(found, run, kind, [*NAMES, "never"])


def real_pairs(dataset, seed=0):
    """The truths of a COCO file; predictions planted around them."""
    rng = np.random.default_rng(seed)
    ids = [each["id"] for each in dataset["categories"]]
    pairs = []
    for image in dataset["images"]:
        rows = [each for each in dataset["annotations"] if each["image_id"] == image["id"]]
        size = (image["height"], image["width"])
        masks = [coder.decode(each["segmentation"]).astype(bool) for each in rows]
        boxes = [(ids.index(each["category_id"]), *box_edges(each["bbox"])) for each in rows]
        ignored = [row for row, each in enumerate(rows) if each["iscrowd"]]
        stack = torch.from_numpy(np.stack(masks)) if masks else torch.zeros(0, *size, dtype=torch.bool)
        target = truth(image["id"], boxes, ignored, [each["area"] for each in rows], stack)
        pairs.append((planted(rng, boxes, masks, len(ids), size), target))
    return pairs, ids


def box_edges(box):
    x, y, width, height = box
    return x, y, x + width, y + height


def planted(rng, boxes, masks, classes, size):
    """Copies of true objects moved, eroded or dilated, some missed, some of a wrong class, and some strangers."""
    rows, shapes = [], []
    for (label, *box), mask in zip(boxes, masks, strict=True):
        for _ in range(int(rng.choice([0, 1, 2], p=[0.15, 0.6, 0.25]))):
            noise = rng.normal(0, 0.06, 4) * np.tile([box[2] - box[0], box[3] - box[1]], 2)
            rows.append((label if rng.random() < 0.85 else rng.integers(classes), rng.random() ** 0.5, *(box + noise)))
            shapes.append(changed(rng, mask))
    for _ in range(int(rng.integers(0, 5))):
        x, y = rng.uniform(0, size[1] - 30), rng.uniform(0, size[0] - 30)
        stranger = np.zeros(size, bool)
        stranger[int(y) : int(y) + 25, int(x) : int(x) + 25] = True
        rows.append((rng.integers(classes), rng.random() * 0.5, x, y, x + 25, y + 25))
        shapes.append(stranger)
    return guess(rows, torch.from_numpy(np.stack(shapes)) if shapes else torch.zeros(0, *size, dtype=torch.bool))


def changed(rng, mask):
    steps, change = int(rng.integers(1, 4)), rng.random()
    if change < 0.4:
        return ndimage.binary_erosion(mask, iterations=steps)
    return ndimage.binary_dilation(mask, iterations=steps) if change < 0.8 else np.roll(mask, steps, axis=(0, 1))


@pytest.fixture(scope="module")
def real(shared):
    return json.loads((shared / "data/coco_mini/val/instances.json").read_text())


def test_coco_equals_pycocotools_on_real_pictures(real):
    pairs, ids = real_pairs(real)
    names = [each["name"] for each in real["categories"]]
    found = result(CocoAP(len(ids), names=names, masks=True), pairs)
    assert sum(int(target["ignored"].sum()) for _, target in pairs) == 4  # crowds
    for kind in ("box", "mask", "boundary"):
        run = reference(real, pairs, ids, kind)
        assert 0.1 < run.stats[0] < 0.9
        assert (run.stats > -1).all()
        compare(found, run, kind, names)


def test_the_truth_scores_one_on_real_pictures(real):
    pairs, ids = real_pairs(real)
    perfect = []
    for _, target in pairs:
        keep = ~target["ignored"]
        ours = {key: target[key][keep] for key in ("boxes", "classes", "masks")}
        perfect.append((ours | {"scores": torch.ones(int(keep.sum()))}, target))
    found = result(detection_metrics(len(ids), None, masks=True), perfect)
    values = {key: value for key, value in found.items() if not math.isnan(value)}
    assert {"voc/map", "voc/map_11point", "box/ap", "mask/ap_small", "boundary/ap75"} <= values.keys()
    # recall with 1 or 10 detections a picture is less than 1, rightly
    few = {key for key in values if key.split("/")[1] in ("ar1", "ar10")}
    assert all(value == pytest.approx(1) for key, value in values.items() if key not in few)


# ---------------------------------------------------------------- what all have in common

ALL = {"voc": VocAP, "coco": CocoAP}


@pytest.mark.parametrize("metric", ALL.values(), ids=ALL)
def test_mistakes_are_told_in_a_sentence(metric):
    good, target = guess([(0, 0.5, 0, 0, 9, 9)]), truth(17, [(1, 0, 0, 9, 9)])
    with pytest.raises(UserError, match="prediction for picture 17 holds the class 2, but the classes are 0 to 1"):
        metric(2).update(guess([(2, 0.5, 0, 0, 9, 9)]), target)
    with pytest.raises(UserError, match="truth for picture 17 holds the class 1, but the classes are 0 to 0"):
        metric(1).update(good, target)
    with pytest.raises(UserError, match="prediction for picture 17 holds boxes that are no finite numbers"):
        metric(2).update(guess([(0, 0.5, 0, 0, math.nan, 9)]), target)
    with pytest.raises(UserError, match="prediction for picture 17 holds scores that are no finite numbers"):
        metric(2).update(guess([(0, math.inf, 0, 0, 9, 9)]), target)
    with pytest.raises(UserError, match="picture 17 was given more than once"):
        result(metric(2), [(good, target), (good, target)])
    with pytest.raises(UserError, match="1 class names were given for 2 classes"):
        metric(2, names=["bus"])
    with pytest.raises(UserError, match="class name 'bus' stands for more than one class"):
        metric(2, names=["bus", "bus"])
    with pytest.raises(UserError, match="num_classes is 0"):
        metric(0)


def test_masks_are_asked_for_where_they_are_measured():
    masks = torch.zeros(1, 9, 9, dtype=torch.bool)
    with pytest.raises(UserError, match="the network predicts boxes only; measure with masks=False"):
        CocoAP(1, masks=True).update(guess([]), truth(1, [(0, 0, 0, 9, 9)], masks=masks))


@pytest.mark.parametrize("metric", ALL.values(), ids=ALL)
def test_a_refused_picture_leaves_nothing_behind(metric):
    pairs = scenes(0)
    fresh, shaken = metric(3), metric(3)
    with pytest.raises(UserError, match="class 9"):
        shaken.update(guess([(9, 0.5, 0, 0, 9, 9)]), pairs[0][1])
    same(result(shaken, pairs), result(fresh, pairs))


def test_bad_overlap_is_refused():
    for iou in (0.0, 1.5):
        with pytest.raises(UserError, match="iou is"):
            VocAP(2, iou=iou)


def test_without_the_evaluator_voc_stands_and_coco_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    for make in (CocoAP, detection_metrics):
        with pytest.raises(UserError, match=r"pip install 'gald\[detection\]'"):
            make(2)
    pairs = [(guess([(0, 0.5, 0, 0, 9, 9)]), truth(1, [(0, 0, 0, 9, 9)]))]
    assert result(VocAP(2), pairs)["map"] == 1


def test_pictures_without_objects_or_predictions():
    nothing = torch.zeros(0, 20, 30, dtype=torch.bool)
    some = ellipses([(0, 2, 2, 12, 12)], (20, 30))
    metrics = detection_metrics(2, ["bus", "cat"], masks=True)
    found = result(metrics, [(guess([], nothing), truth(1, [], masks=nothing))])
    assert all(math.isnan(value) for value in found.values())
    metrics.update(guess([(0, 0.9, 2, 2, 12, 12)], some), truth(2, [], masks=nothing))  # false, nothing to find
    assert all(math.isnan(value) for value in metrics.compute().values())
    metrics.update(guess([], nothing), truth(3, [(0, 2, 2, 12, 12)], masks=some))  # missed
    found = metrics.compute()
    assert {key for key, value in found.items() if not math.isnan(value)} >= {"voc/map", "box/ap", "boundary/ap/bus"}
    assert all(value == 0 or math.isnan(value) for value in found.values())


def test_order_merging_and_reset_make_no_difference(capfd):
    pairs = scenes(3, pictures=9)
    expected = result(detection_metrics(3, NAMES, masks=True), pairs)
    assert expected["voc/map"] > 0
    same(result(detection_metrics(3, NAMES, masks=True), pairs[::-1]), expected)
    for make in (lambda: VocAP(3, names=NAMES), lambda: CocoAP(3, names=NAMES, masks=True)):
        first, second, whole = make(), make(), make()
        for prediction, target in pairs[:4]:
            first.update(prediction, target)
        for prediction, target in pairs[4:]:
            second.update(prediction, target)
        first.merge_state(second)
        same(first.compute(), result(whole, pairs))
        first.reset()
        same(result(first, pairs), whole.compute())
    assert capfd.readouterr() == ("", "")  # the evaluator is silent


def test_masks_are_kept_small():
    metric = CocoAP(1, masks=True)
    masks = ellipses([(0, 5, 5, 405, 405)], (480, 640)).repeat(20, 1, 1)
    metric.update(guess([(0, 0.5, 5, 5, 405, 405)] * 20, masks), truth(1, [], masks=masks[:0]))
    kept = sum(state.numel() * state.element_size() for name in metric.columns for state in getattr(metric, name))
    assert kept < masks.numel() / 100


def test_every_column_of_the_table_has_its_number():
    for masks in (False, True):
        found = result(detection_metrics(3, NAMES, masks=masks), scenes(1))
        columns = MASK_COLUMNS if masks else BOX_COLUMNS
        assert {key.format(name) for key in columns.values() for name in NAMES} | {*means(columns)} <= found.keys()
    for pattern, mean in zip(MASK_COLUMNS.values(), means(MASK_COLUMNS), strict=True):
        values = [found[pattern.format(name)] for name in NAMES]
        values = [value for value in values if not math.isnan(value)] or [math.nan]
        assert found[mean] == pytest.approx(sum(values) / len(values), nan_ok=True), mean


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_same_on_the_gpu():
    pairs = scenes(4)
    there = detection_metrics(3, NAMES, masks=True).to("cuda")
    moved = [
        tuple({key: value.cuda() if isinstance(value, torch.Tensor) else value for key, value in each.items()}
              for each in pair)
        for pair in pairs
    ]  # fmt: skip
    expected = result(detection_metrics(3, NAMES, masks=True), pairs)
    same(result(there, moved), expected)
    there.reset()
    same(result(there, moved), expected)


# ---------------------------------------------------------------- processes

WORKER = """
import json, sys, warnings
import torch
from test_detection_metrics import NAMES, detection_metrics, scenes, guess
warnings.simplefilter("error")
rank = int(sys.argv[1])
torch.distributed.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
metrics, results = detection_metrics(3, NAMES, masks=True), []
pairs = scenes(5, pictures=5)
blind = [(guess([], torch.zeros_like(target["masks"][:0])), target) for _, target in pairs]
for shares in ((pairs[0::2], pairs[1::2]), (pairs, []), (pairs[0::2], blind[1::2]), (blind[0::2], blind[1::2])):
    for prediction, target in shares[rank]:
        metrics.update(prediction, target)
    results.append(metrics.compute())
    metrics.reset()
print(json.dumps(results))
torch.distributed.destroy_process_group()
"""


def test_two_processes_give_the_numbers_of_one(tmp_path):
    folders = os.pathsep.join(str(Path(__file__).parents[up]) for up in range(3))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(tmp_path / "meet")],
            env=os.environ | {"PYTHONPATH": folders, "LOCAL_RANK": str(rank), "RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = []
    try:
        for worker in workers:
            out, errors = worker.communicate(timeout=PATIENCE)
            assert worker.returncode == 0, errors
            said.append(json.loads(out.splitlines()[-1]))
    finally:
        for worker in workers:  # one that waits for the other
            worker.kill()
            worker.communicate()
    pairs = scenes(5, pictures=5)
    blind = [(guess([], torch.zeros_like(target["masks"][:0])), target) for _, target in pairs]
    mixed = [blind[index] if index % 2 else pairs[index] for index in range(5)]
    for place, whole in enumerate((pairs, pairs, mixed, blind)):
        expected = result(detection_metrics(3, NAMES, masks=True), whole)
        for each in said:
            same(each[place], expected)
