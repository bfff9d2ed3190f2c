"""Colours of values, alone and over a picture, and the mark around a place."""

from __future__ import annotations

import pytest
import torch

from gald.images.heatmap import blended_heat, heat, log_levels, mark_place, paint_levels


def test_heat_grows_lighter_and_clips() -> None:
    colors = heat(torch.tensor([[-1.0, 0.0, 0.25, 0.5, 1.0, 2.0]]), 0.0, 1.0)
    light = colors.float().mean(0)[0]
    assert torch.equal(colors[..., 0], colors[..., 1])
    assert torch.equal(colors[..., 4], colors[..., 5])
    assert (light[1:5].diff() > 0).all()
    assert heat(torch.full((2, 3), 0.5), 0.5, 0.5).shape == (3, 2, 3)


def test_the_scale_ends_at_the_largest_elsewhere():
    strength = torch.tensor([[50.0, 2.0, 2e-3], [2e-2, 1e-4, 0.0]])
    level, largest = log_levels(strength, (0, 0), 1e-3)
    assert largest == 2
    torch.testing.assert_close(level[0, 1:], torch.tensor([1.0, 0.0]))
    assert level[1, 0] == pytest.approx(1 / 3)
    assert (level[1, 1:] < 0).all()
    assert level[0, 0] < 0
    assert (log_levels(torch.zeros(2, 2), (0, 0), 1e-3)[0] < 0).all()


def test_a_painted_colour_is_the_one_on_the_scale():
    """On a flat picture exactly: density and grey are the same everywhere; what is below the floor has no colour."""
    level = torch.tensor([[0.0, 0.25, 1.0, -0.1, 0.5]])
    drawn = paint_levels(torch.full((3, 4, 20), 99, dtype=torch.uint8), level, (0, 4), 4.0)
    assert torch.equal(drawn[:, :, :12:4], blended_heat(level[:, :3].expand(4, -1)))
    assert (drawn[:, :, 12:16] == 60).all()
    assert (drawn[:, :, 16:] == 255).all()  # the place itself


def test_the_mark_leaves_the_neighbours_to_be_seen():
    blank = torch.full((3, 90, 90), 7, dtype=torch.uint8)
    drawn = mark_place(blank, (4, 5), 9.0)
    assert torch.equal(drawn[:, 27:54, 36:63], blank[:, 27:54, 36:63])
    assert (drawn == 255).any()
    assert (drawn == 0).any()
