"""Figures are put together of pieces: every picture in its place, every word whole."""

from __future__ import annotations

import pytest
import torch
from PIL import ImageFont
from torch import Tensor

from gald.images.figure import GAP, below, beside, color_bar, framed, grid, legend, panel, paragraph, text
from gald.images.heatmap import blended_heat, heat
from gald.images.io import distinct_color


def flat(color: tuple[int, int, int], height: int, width: int) -> Tensor:
    return torch.tensor(color, dtype=torch.uint8)[:, None, None].expand(3, height, width)


RED, BLUE = flat((255, 0, 0), 20, 50), flat((0, 0, 255), 10, 30)


def is_color(drawn: Tensor, color: Tensor) -> Tensor:
    return (drawn == color[:, :1, :1]).all(0)


def test_pieces_lie_beside_and_below_each_other_on_white() -> None:
    row = beside([RED, BLUE])
    assert row.shape == (3, 20, 50 + GAP + 30)
    assert torch.equal(row[:, :, :50], RED)
    assert torch.equal(row[:, :10, 50 + GAP :], BLUE)
    column = below([BLUE, RED], gap=3)
    assert column.shape == (3, 10 + 3 + 20, 50)
    assert torch.equal(column[:, 13:], RED)
    assert torch.equal(column[:, :10, :30], BLUE)
    for drawn in (row, column):
        assert (is_color(drawn, RED) | is_color(drawn, BLUE) | is_color(drawn, flat((255, 255, 255), 1, 1))).all()


def test_a_grid_has_columns_of_one_width() -> None:
    drawn = framed(grid([RED, BLUE, BLUE], 2))
    assert drawn.shape == (3, 20 + 10 + 3 * GAP, 2 * 50 + 3 * GAP)
    _, columns = is_color(drawn, BLUE).nonzero().unbind(1)
    assert columns.min() == GAP  # the third begins the second row
    assert columns.max() == GAP + 50 + GAP + 29


def test_a_panel_holds_its_pictures_below_their_title() -> None:
    drawn = panel("F_GA", ["a", "b"], [RED, RED], 10)
    rows = is_color(drawn, RED).all(1) if drawn.shape[2] == 50 else is_color(drawn, RED).any(1)
    assert rows.sum() == 40
    heading = drawn[:, : int(rows.nonzero()[0])]
    assert (heading < 255).any()


def test_an_index_is_lower_and_smaller() -> None:
    with_index, without = text("F_GA", 40), text("FGA", 40)
    assert with_index.shape[2] < without.shape[2]
    lowest = [int((drawn < 128).all(0).any(1).nonzero().max()) for drawn in (with_index, without)]
    assert lowest[0] > lowest[1]
    assert text("cgnl_rbf", 40).shape[2] > text("cgnlrbf", 40).shape[2]  # a name is written as it is


@pytest.mark.parametrize("width", [1, 60, 200, 2000])
def test_a_paragraph_is_wrapped_and_no_word_is_cut(width: int) -> None:
    words = "the strongest first that hold half of what is left"
    longest = max(ImageFont.load_default(12).getlength(word) for word in words.split())
    drawn = paragraph(words, width, 12)
    assert drawn.shape[2] <= max(width, longest) + 1
    assert (drawn.shape[1] > text("a", 12).shape[1]) == (width < 2000)


def test_a_legend_wraps_and_never_cuts_a_name() -> None:
    entries = [(f"class number {i}", distinct_color(i)) for i in range(6)]
    wide, narrow = legend(entries, 2000), legend(entries, 1)
    assert narrow.shape[1] > 4 * wide.shape[1]
    for name, color in entries:
        for drawn in (wide, narrow):
            assert is_color(drawn, flat(color, 1, 1)).sum() >= 12 * 12, name  # 14 less the edge
    assert narrow.shape[2] >= text(entries[0][0], 14).shape[2]


def test_a_bar_shows_all_colours_between_its_ends() -> None:
    for paint in (heat, blended_heat):
        drawn = color_bar(("0", "largest"), 300, 12, paint)
        assert drawn.shape[2] == 300
        levels = torch.tensor([[0.0, 1.0]])
        for color in paint(levels).unbind(2):
            assert is_color(drawn, color[:, :, None]).sum() >= 12
    assert color_bar(("0", "largest"), 5, 12, heat).shape[2] > 5  # the words are not cut
