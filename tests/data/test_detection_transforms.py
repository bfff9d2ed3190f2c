"""Resizing, mirroring and jitter of pictures with boxes and masks, by numbers worked out by hand."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
import torch
from torch import Tensor

from gald.data.detection import DetectionSample
from gald.data.registry import load_detection
from gald.data.transforms.detection import ShortSide, train


def sample(height: int, width: int, *boxes: tuple[int, int, int, int], masks: bool = True) -> DetectionSample:
    """A picture of noise whose objects fill their boxes."""
    made: DetectionSample = {
        "image": torch.randint(256, (3, height, width), dtype=torch.uint8),
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "classes": torch.arange(len(boxes)),
        "ignored": torch.arange(len(boxes)) % 2 == 1,
        "areas": torch.tensor([(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in boxes], dtype=torch.float32),
        "name": "a",
        "image_id": 7,
    }
    if masks:
        made["masks"] = torch.stack([filled(height, width, box) for box in boxes]) if boxes else torch.zeros(
            0, height, width, dtype=torch.bool
        )  # fmt: skip
    return made


def filled(height: int, width: int, box: tuple[int, int, int, int]) -> Tensor:
    x1, y1, x2, y2 = box
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[y1:y2, x1:x2] = True
    return mask


def test_a_mirrored_box_by_hand() -> None:
    """Over columns 2 to 4 of 10, so x 2 to 5; mirrored over columns 5 to 7, so x 5 to 8."""
    before = sample(6, 10, (2, 1, 5, 4), (0, 0, 1, 6))
    after = train((6,), None, flip=1.0)(before)
    assert after["boxes"].tolist() == [[5, 1, 8, 4], [9, 0, 10, 6]]
    assert torch.equal(after["image"], before["image"].flip(-1))
    assert torch.equal(after["masks"][0], filled(6, 10, (5, 1, 8, 4)))
    assert after["areas"].tolist() == [9, 6]


def test_a_resized_box_by_hand() -> None:
    """The short side 10 becomes 20: everything doubles, areas four times."""
    after = train((20,), None, flip=0.0)(sample(10, 15, (3, 1, 6, 4)))
    assert after["image"].shape == (3, 20, 30)
    assert after["boxes"].tolist() == [[6, 2, 12, 8]]
    assert after["areas"].tolist() == [36]
    assert torch.equal(after["masks"][0], filled(20, 30, (6, 2, 12, 8)))


@pytest.mark.parametrize(
    ("size", "short", "longest", "expected"),
    [
        ((480, 640), 800, 1333, (800, 1067)),  # 640 * 800 / 480 = 1066.7
        ((640, 480), 800, 1333, (1067, 800)),
        ((300, 900), 800, 1333, (444, 1333)),  # the long side decides: 300 * 1333 / 900 = 444.3
        ((300, 900), 800, None, (800, 2400)),
        ((333, 500), 800, 1333, (800, 1201)),
        ((100, 100), 50, 60, (50, 50)),
        ((1, 900), 10, 90, (1, 90)),  # no side vanishes
    ],
)  # fmt: skip
def test_sides(size: tuple[int, int], short: int, longest: int | None, expected: tuple[int, int]) -> None:
    after = ShortSide((short,), longest)(sample(*size, (0, 0, size[1], size[0]), masks=size[0] < 400))
    assert after["image"].shape[1:] == expected
    assert after["boxes"].tolist() == [[0, 0, expected[1], expected[0]]]  # the ratio of the sides, not the asked one
    assert after["areas"].tolist() == pytest.approx([expected[0] * expected[1]])
    if "masks" in after:
        assert after["masks"].shape[1:] == expected
        assert after["masks"].all()


def test_masks_stay_on_their_picture() -> None:
    """A white object on black keeps its middle, and its mask agrees with the picture to a pixel of the rim."""
    before = sample(40, 60, (11, 7, 34, 30))
    before["image"] = (filled(40, 60, (11, 7, 34, 30)) * 255).to(torch.uint8).expand(3, -1, -1).contiguous()
    for side in (17, 33, 71):
        after = train((side,), None, flip=1.0)(before)
        white = after["image"][0] > 127
        x1, y1, x2, y2 = after["boxes"][0].tolist()
        rows, columns = np.nonzero(after["masks"][0].numpy())
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert found == pytest.approx([x1, y1, x2, y2], abs=0.51)
        assert (white != after["masks"][0]).sum() <= 2 * (x2 - x1 + y2 - y1) + 4
        assert abs(float(after["masks"].sum() - after["areas"])) <= x2 - x1 + y2 - y1


def test_objects_smaller_than_a_pixel_go_with_all_their_rows() -> None:
    tiny = sample(40, 60, (0, 0, 20, 20), (5, 5, 8, 30), (30, 10, 50, 30))
    after = train((10,), None, flip=0.0)(tiny)  # a quarter: 3 pixels become 0.75
    assert after["boxes"].tolist() == [[0, 0, 5, 5], [7.5, 2.5, 12.5, 7.5]]
    assert after["classes"].tolist() == [0, 2]
    assert after["ignored"].tolist() == [False, False]
    assert after["areas"].tolist() == [25, 25]
    assert after["masks"].shape == (2, 10, 15)
    assert len(ShortSide((10,), None)(tiny)["boxes"]) == 3


@pytest.mark.parametrize("masks", [False, True])
def test_pictures_without_objects(masks: bool) -> None:
    after = train((12, 20), None, flip=1.0, jitter=0.2)(sample(6, 10, masks=masks))
    assert after["boxes"].shape == (0, 4)
    assert after["classes"].dtype == torch.int64
    assert (after["masks"].shape == (0, *after["image"].shape[1:])) if masks else ("masks" not in after)


def test_plain_tensors_of_the_same_kinds_come_out() -> None:
    before = sample(6, 10, (2, 1, 5, 4))
    after = train((12,), None, flip=1.0, jitter=0.5)(before)
    assert after.keys() == before.keys()
    for key, value in before.items():
        if isinstance(value, Tensor):
            assert type(after[key]) is Tensor  # type: ignore[literal-required]
            assert after[key].dtype == value.dtype  # type: ignore[literal-required]
    assert (after["name"], after["image_id"]) == ("a", 7)


def test_every_side_is_drawn_and_both_directions() -> None:
    step = train((10, 20, 30), None)
    before = sample(10, 15, (0, 0, 3, 10))
    seen = {(out["image"].shape[1], bool(out["boxes"][0, 0] == 0)) for out in (step(before) for _ in range(80))}
    assert seen == {(side, left) for side in (10, 20, 30) for left in (True, False)}
    sides = {train(range(10, 31, 10), None)(before)["image"].shape[1] for _ in range(60)}
    assert sides == {10, 20, 30}


def test_jitter_changes_colours_only() -> None:
    before = sample(10, 15, (0, 0, 3, 10))
    after = train((10,), None, flip=0.0, jitter=0.5)(before)
    assert not torch.equal(after["image"], before["image"])
    assert torch.equal(after["boxes"], before["boxes"])
    assert torch.equal(after["masks"], before["masks"])


def test_only_torchs_generator_decides() -> None:
    step = pickle.loads(pickle.dumps(train((10, 20, 30), 40, jitter=0.3)))  # as a loading process gets it
    before = sample(10, 15, (0, 0, 3, 10))
    outs = []
    for seed in (0, 1):
        torch.manual_seed(5)
        random.seed(seed)
        np.random.seed(seed)
        outs.append(step(before))
    assert torch.equal(outs[0]["image"], outs[1]["image"])
    assert torch.equal(outs[0]["boxes"], outs[1]["boxes"])


def test_the_sample_given_is_left_as_it_is() -> None:
    data = load_detection("shapes", None, "train")
    before = data[0]
    kept = {key: value.clone() for key, value in before.items() if isinstance(value, Tensor)}
    train((200,), None, flip=1.0, jitter=0.5)(before)
    assert all(torch.equal(before[key], value) for key, value in kept.items())  # type: ignore[literal-required]
