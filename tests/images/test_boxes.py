"""Boxes, masks and names over a picture: where the colours go, and that names can be read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gald.images.boxes import draw_objects

COLORS = [(255, 0, 0), (0, 0, 255), (250, 250, 0)]
NAMES = ["cat", "dog", "traffic light"]


def grey(height: int = 100, width: int = 120) -> Tensor:
    return torch.full((3, height, width), 128, dtype=torch.uint8)


def drawn(boxes: list[list[float]], classes: list[int], image: Tensor | None = None, **more: Tensor) -> Tensor:
    rows = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return draw_objects(
        grey() if image is None else image, rows, torch.tensor(classes, dtype=torch.int64), COLORS, NAMES, **more
    )


def is_color(image: Tensor, color: tuple[int, int, int]) -> Tensor:
    return (image == torch.tensor(color, dtype=torch.uint8)[:, None, None]).all(0)


def test_a_frame_lies_on_the_pixels_of_its_box() -> None:
    out = drawn([[20, 40, 60, 90]], [1])
    blue = is_color(out, COLORS[1])
    assert blue[40, 20:60].all()
    assert blue[89, 20:60].all()
    assert blue[40:90, 20].all()
    assert blue[40:90, 59].all()
    assert not blue[91:].any()
    assert not blue[41:89, 21:59].any()
    assert not blue[:, 60:].any()
    assert (out[:, 45:85, 25:55] == 128).all()


def test_nothing_to_draw_gives_the_picture_back() -> None:
    image = torch.randint(256, (3, 30, 40), dtype=torch.uint8)
    before = image.clone()
    assert torch.equal(drawn([], [], image), before)
    assert torch.equal(
        drawn([], [], image, scores=torch.zeros(0), masks=torch.zeros(0, 30, 40, dtype=torch.bool)), before
    )
    drawn([[1, 1, 20, 20]], [0], image, masks=torch.ones(1, 30, 40, dtype=torch.bool))
    assert torch.equal(image, before)


def test_masks_are_tinted_and_the_small_one_is_seen() -> None:
    masks = torch.zeros(2, 100, 120, dtype=torch.bool)
    masks[0, 60:70, 50:60] = True
    masks[1, 40:95, 10:110] = True
    out = drawn([[50, 60, 60, 70], [10, 40, 110, 95]], [0, 1], masks=masks)
    assert out[:, 65, 55].tolist() == [185, 70, 70]  # 0.55 of 128 and 0.45 of the colour
    assert out[:, 90, 100].tolist() == [70, 70, 185]
    assert out[:, 20, 5].tolist() == [128] * 3


def text(words: str, size: int) -> np.ndarray:
    """The pixels of a name in black on white, cut to its ink."""
    canvas = Image.new("L", (300, 40), 255)
    ImageDraw.Draw(canvas).text((10, 10), words, fill=0, font=ImageFont.load_default(size))
    ink = np.asarray(canvas) < 128
    rows, columns = np.nonzero(ink)
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def ink_of(out: Tensor, color: tuple[int, int, int]) -> np.ndarray:
    """What is written on a plate of a colour: the pixels within the plate that are nearer to the ink."""
    rows, columns = is_color(out, color).nonzero().unbind(1)
    plate = out[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].float()
    dark = (plate - torch.tensor(color)[:, None, None]).abs().sum(0) > 250
    rows, columns = dark.nonzero().unbind(1)
    return dark[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].numpy()


def test_a_name_with_its_score_can_be_read() -> None:
    out = drawn([[0, 30, 2, 32]], [2], scores=torch.tensor([0.876]))
    found, wanted = ink_of(out, COLORS[2]), text("traffic light 0.88", 11)
    assert abs(found.shape[1] - wanted.shape[1]) <= 2
    overlap = min(found.shape[0], wanted.shape[0]), min(found.shape[1], wanted.shape[1])
    same = found[: overlap[0], : overlap[1]] == wanted[: overlap[0], : overlap[1]]
    assert same.mean() > 0.85


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_ink_stands_out_from_the_plate(kind: int) -> None:
    out = drawn([[20, 40, 60, 90]], [kind])
    plate = out[:, 20:40, 20:40].flatten(1).float().T
    light = plate @ torch.tensor([0.299, 0.587, 0.114])
    assert light.max() - light.min() > 100


def test_names_do_not_cover_each_other() -> None:
    """Two boxes in the same place: one name stands elsewhere, and both plates are whole."""
    apart = [is_color(drawn([[30, 40, 70, 80]], [kind]), COLORS[kind]).sum() for kind in (0, 1)]
    out = drawn([[30, 40, 70, 80], [30, 40, 70, 80]], [0, 1])
    frame = 2 * (40 + 38)
    assert is_color(out, COLORS[0]).sum() >= apart[0] - frame
    assert is_color(out, COLORS[1]).sum() >= apart[1] - frame
    assert is_color(out[:, :40], COLORS[0]).any() != is_color(out[:, :40], COLORS[1]).any()  # one above ...
    assert is_color(out[:, 80:], COLORS[0]).any() != is_color(out[:, 80:], COLORS[1]).any()  # ... and one below


@pytest.mark.parametrize(
    "box", [[-5, -5, 300, 300], [119.5, 99.5, 120, 100], [0, 0, 0, 0], [130, 130, 140, 140], [5, 5, 3, 3]]
)
def test_boxes_at_and_beyond_the_rim(box: list[float]) -> None:
    assert drawn([box], [0], scores=torch.tensor([1.0])).shape == (3, 100, 120)


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (300, 5)])
def test_pictures_too_small_for_a_name(size: tuple[int, int]) -> None:
    assert drawn([[0, 0, 1, 1]], [2], grey(*size)).shape == (3, *size)
