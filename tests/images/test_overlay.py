"""Label maps in their colours and over pictures, with the names of the classes below."""

from __future__ import annotations

import torch

from gald.images.overlay import colorize, overlay, overlay_with_legend

PALETTE = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]


def test_colours_and_overlay() -> None:
    palette = [(10, 0, 0), (0, 20, 0)]
    labels = torch.tensor([[0, 1], [255, 1]])
    painted = colorize(labels, palette)
    assert painted[:, 0, 0].tolist() == [10, 0, 0]
    assert painted[:, 1, 0].tolist() == [0, 0, 0]
    image = torch.full((3, 2, 2), 100, dtype=torch.uint8)
    mixed = overlay(image, labels, palette)
    assert mixed[:, 0, 0].tolist() == [55, 50, 50]
    assert mixed[:, 1, 0].tolist() == [100, 100, 100]  # ignored: the picture itself
    assert mixed[:, 1, 1].tolist() == [50, 60, 50]


def test_the_legend_names_the_classes_that_are_present_below_the_picture() -> None:
    image = torch.zeros(3, 40, 300, dtype=torch.uint8)
    labels = torch.zeros(40, 300, dtype=torch.uint8)
    labels[20:] = 2
    drawn = overlay_with_legend(image, labels, PALETTE, ["road", "never", "sky"])
    strip = drawn[:, 40:]
    assert drawn.shape[2] == 300
    assert torch.equal(drawn[:, :40], overlay(image, labels, PALETTE))

    def has(color: tuple[int, int, int]) -> bool:
        return bool((strip == torch.tensor(color)[:, None, None]).all(0).any())

    assert has(PALETTE[0])
    assert has(PALETTE[2])
    assert not has(PALETTE[1])
    assert has((0, 0, 0))  # letters


def test_without_a_class_there_is_no_legend() -> None:
    image, labels = torch.full((3, 4, 5), 9, dtype=torch.uint8), torch.full((4, 5), 255, dtype=torch.uint8)
    assert torch.equal(overlay_with_legend(image, labels, PALETTE, ["a", "b", "c"]), image)
