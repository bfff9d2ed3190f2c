"""Scale, crop, flip and jitter: where pixels go, what is padded, and that picture and mask stay together."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torchvision import tv_tensors

from gald.data.segmentation import SegmentationSample
from gald.data.transforms import segmentation as transforms


def sample(height: int, width: int) -> SegmentationSample:
    generator = torch.Generator().manual_seed(height * width)
    image = torch.randint(256, (3, height, width), generator=generator, dtype=torch.uint8)
    mask = torch.randint(5, (height, width), generator=generator, dtype=torch.uint8)
    return {"image": tv_tensors.Image(image), "mask": tv_tensors.Mask(mask), "name": "a"}


def plain(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    whole = sample(height, width)
    return whole["image"].as_subclass(torch.Tensor), whole["mask"].as_subclass(torch.Tensor).long()


def test_evaluation_changes_types_only() -> None:
    out = transforms.evaluate()(sample(7, 9))
    image, mask = plain(7, 9)
    assert type(out["image"]) is type(out["mask"]) is torch.Tensor
    assert (out["image"].dtype, out["mask"].dtype, out["name"]) == (torch.uint8, torch.int64, "a")
    assert torch.equal(out["image"], image)
    assert torch.equal(out["mask"], mask)


def test_training_gives_plain_tensors_of_the_crops_size() -> None:
    out = transforms.train((8, 6), jitter=0.3)(sample(20, 30))
    assert type(out["image"]) is type(out["mask"]) is torch.Tensor
    assert (out["image"].shape, out["mask"].shape) == ((3, 8, 6), (8, 6))
    assert (out["image"].dtype, out["mask"].dtype) == (torch.uint8, torch.int64)


def test_at_scale_one_a_crop_is_a_window() -> None:
    image, mask = plain(9, 11)
    corners = set()
    for seed in range(120):
        torch.manual_seed(seed)
        out = transforms.train((7, 8), scale=(1.0, 1.0), flip=0.0)(sample(9, 11))
        corners |= {
            (y, x)
            for y in range(3)
            for x in range(4)
            if torch.equal(out["image"], image[:, y : y + 7, x : x + 8])
            and torch.equal(out["mask"], mask[y : y + 7, x : x + 8])
        }
    assert corners == {(y, x) for y in range(3) for x in range(4)}


def test_a_picture_smaller_than_the_crop_is_padded_right_and_below() -> None:
    out = transforms.train((10, 12), scale=(1.0, 1.0), flip=0.0)(sample(7, 9))
    image, mask = plain(7, 9)
    assert torch.equal(out["image"][:, :7, :9], image)
    assert torch.equal(out["mask"][:7, :9], mask)
    assert (out["mask"][7:] == 255).all()
    assert (out["mask"][:, 9:] == 255).all()
    mean = torch.tensor([124, 116, 104])[:, None, None]
    assert (out["image"][:, 7:] == mean).all()
    assert (out["image"][:, :, 9:] == mean).all()


def test_a_flip_mirrors_both() -> None:
    out = transforms.train((7, 9), scale=(1.0, 1.0), flip=1.0)(sample(7, 9))
    image, mask = plain(7, 9)
    assert torch.equal(out["image"], image.flip(-1))
    assert torch.equal(out["mask"], mask.flip(-1))


def test_doubling_repeats_every_mask_pixel_twice() -> None:
    out = transforms.train((14, 18), scale=(2.0, 2.0), flip=0.0)(sample(7, 9))
    assert torch.equal(out["mask"], plain(7, 9)[1].repeat_interleave(2, 0).repeat_interleave(2, 1))


@pytest.mark.parametrize("factor", [0.5, 0.73, 1.0, 1.4, 2.0])
def test_picture_and_mask_stay_registered(factor: float) -> None:
    """A disc drawn in both has its centre in the same place afterwards, to a fraction of a pixel."""
    y, x = torch.meshgrid(torch.arange(80.0), torch.arange(90.0), indexing="ij")
    disc = ((y - 40) ** 2 + (x - 45) ** 2 < 20**2).to(torch.uint8)
    whole: SegmentationSample = {
        "image": tv_tensors.Image((disc * 200).expand(3, -1, -1).clone()), "mask": tv_tensors.Mask(disc), "name": "a"
    }  # fmt: skip
    size = (round(80 * factor), round(90 * factor))
    out = transforms.train(size, scale=(factor, factor), flip=0.0)(whole)
    for axis in (0, 1):
        places = torch.arange(size[axis]).float()
        light = (out["image"][0].float() / 200).sum(1 - axis)
        area = (out["mask"] == 1).float().sum(1 - axis)
        centres = [float((each * places).sum() / each.sum()) for each in (light, area)]
        # at exactly 0.5 the nearest source pixel is a tie, which rounds up: a quarter of an output pixel
        assert centres[0] == pytest.approx(centres[1], abs=0.26 if factor == 0.5 else 0.2)
        assert float(area.sum()) == pytest.approx(float(disc.sum()) * factor**2, rel=0.03)


def test_the_factor_is_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    side = transforms.ScaleCrop._side
    monkeypatch.setattr(transforms.ScaleCrop, "_side", staticmethod(lambda *args: seen.append(args[2]) or side(*args)))
    torch.manual_seed(0)
    for _ in range(600):
        transforms.ScaleCrop((2, 2), (0.5, 2.0))(sample(3, 3))
    quartiles = np.quantile(seen, [0, 0.25, 0.5, 0.75, 1])
    assert quartiles == pytest.approx([0.5, 0.875, 1.25, 1.625, 2.0], abs=0.08)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (500, 3)])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_any_size_at_any_scale(size: tuple[int, int], scale: float) -> None:
    out = transforms.train((5, 4), scale=(scale, scale), jitter=0.5)(sample(*size))
    assert out["image"].shape == (3, 5, 4)
    assert (out["mask"] != 255).any()


def test_jitter_changes_colours_not_labels() -> None:
    torch.manual_seed(1)
    out = transforms.train((7, 9), scale=(1.0, 1.0), flip=0.0, jitter=0.5)(sample(7, 9))
    image, mask = plain(7, 9)
    assert not torch.equal(out["image"], image)
    assert torch.equal(out["mask"], mask)


def test_the_input_is_left_alone() -> None:
    whole = sample(7, 9)
    transforms.train((9, 9), jitter=0.5)(whole)
    assert torch.equal(whole["image"], plain(7, 9)[0])
    assert torch.equal(whole["mask"].as_subclass(torch.Tensor).long(), plain(7, 9)[1])


def test_only_torchs_generator_decides() -> None:
    augment = transforms.train((8, 8), jitter=0.2)
    torch.manual_seed(3)
    random.seed(1)
    np.random.seed(1)  # the old global state must not matter
    first = augment(sample(20, 20))
    torch.manual_seed(3)
    random.seed(2)
    np.random.seed(2)
    second = augment(sample(20, 20))
    assert torch.equal(first["image"], second["image"])
    assert torch.equal(first["mask"], second["mask"])
