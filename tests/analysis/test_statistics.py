"""Counts by picture, the scores of their sums, and intervals against slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gald.analysis.statistics.bootstrap import blocks, draws, estimates
from gald.analysis.statistics.counts import PictureCounter, stacked
from gald.analysis.statistics.scores import score_counts


def test_pictures_of_a_video_are_drawn_in_runs_of_neighbours():
    names = [f"Seq05VD_f{i:05d}" for i in range(31)] + [f"0001TP_{i:06d}" for i in range(12)] + ["0006R0_f1"]
    found = blocks(names, "camvid").tolist()
    assert found == [0] * 11 + [1] * 10 + [2] * 10 + [3] * 12 + [4]
    assert blocks(names[::-1], "camvid").tolist()[-11:] == [2] * 11  # neighbours by name, whatever the order
    assert blocks(names, "folder").tolist() == list(range(44))


def test_draws_take_blocks_whole_and_as_many_as_there_are():
    block = torch.tensor([0, 0, 1, 2, 2, 2, 3, 4])
    weights, again = draws(block, 50, seed=3), draws(block, 50, seed=3)
    assert weights is not None
    assert again is not None
    assert torch.equal(weights[:, 0], weights[:, 1])
    assert torch.equal(weights[:, 3], weights[:, 5])
    assert (weights[:, [0, 2, 3, 6, 7]].sum(1) == 5).all()
    assert len(weights.unique(dim=0)) > 5
    assert torch.equal(weights, again)


def test_too_few_blocks_are_not_drawn_from():
    assert draws(torch.tensor([0, 1, 2, 3, 3])) is None


def test_intervals_against_a_loop_over_resamples():
    generator = np.random.default_rng(5)
    whole = generator.integers(20, 60, (9, 3))
    whole[:8, 2] = 0  # a class in one picture only: some resamples are without it
    counts = [torch.from_numpy(np.stack([generator.integers(0, whole + 1), whole], 1)) for _ in "ab"]
    weights = draws(torch.arange(9), 300, seed=1)
    found = estimates(*(score_counts({"iou": side}, "abc", weights) for side in counts))
    mean, each = found["miou"], [found[f"iou/{name}"] for name in "abc"]
    means, classes = [], []
    for times in weights.long().tolist():
        rows = [row for row, count in enumerate(times) for _ in range(count)]
        ious = []
        for side in counts:
            part = [sum(int(side[row, 0, k]) for row in rows) for k in range(3)]
            total = [sum(int(side[row, 1, k]) for row in rows) for k in range(3)]
            ious.append([p / t if t else math.nan for p, t in zip(part, total, strict=True)])
        means.append(np.nanmean(ious[1]) - np.nanmean(ious[0]))
        classes.append(np.subtract(ious[1], ious[0]))
    assert any(math.isnan(row[2]) for row in classes)
    assert (mean.low, mean.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=1e-12)
    expected = np.nanquantile(classes, [0.025, 0.975], axis=0)
    assert [(one.low, one.high) for one in each] == [pytest.approx(tuple(pair), abs=1e-12) for pair in expected.T]


def test_without_weights_there_is_no_interval():
    counts = torch.tensor([[[1], [4]], [[2], [4]]])
    found = estimates(*(score_counts({"iou": each}, "a", None) for each in (counts, counts * torch.tensor([[2], [1]]))))
    mean, each = found["miou"], found["iou/a"]
    assert mean[:3] == each[:3] == (3 / 8, 6 / 8, 3 / 8)
    assert math.isnan(mean.low)
    assert mean.undecided


def test_no_class_is_a_miss_in_every_count():
    counts = stacked([PictureCounter(2).count(torch.tensor([[0, 2, 1, 1]]), torch.tensor([[0, 0, 1, 1]]))])
    assert counts["iou"].tolist() == [[[1, 2], [2, 2]]]
    assert counts["pixel_accuracy"].tolist() == [[[3], [4]]]
    assert counts["truth"].tolist() == [[[2, 2]]]
    assert counts["band_accuracy/1px"].tolist() == [[[1], [2]]]


def test_scores_of_counts_by_hand():
    # two classes, three pictures: hit and union of each class
    counts = {"iou": torch.tensor([[[1, 0], [2, 1]], [[3, 2], [4, 4]], [[0, 0], [2, 0]]]), "truth": torch.ones(3, 1, 2)}
    found = score_counts(counts, ["a", "b"], torch.tensor([[0.0, 2.0, 1.0], [1.0, 0.0, 2.0]], dtype=torch.float64))
    assert found.value == pytest.approx({"miou": (4 / 8 + 2 / 5) / 2, "iou/a": 4 / 8, "iou/b": 2 / 5})
    assert found.resampled["iou/a"].tolist() == pytest.approx([6 / 10, 1 / 6])
    assert found.resampled["miou"].tolist() == pytest.approx([(6 / 10 + 4 / 8) / 2, (1 / 6 + 0) / 2])
    assert score_counts(counts, ["a", "b"], None).resampled == {}
