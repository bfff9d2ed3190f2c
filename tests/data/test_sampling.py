"""The stream of a run: the same samples however the run is cut into steps, processes, micro-batches and workers."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from gald.data.datasets.synthetic import synthetic
from gald.data.sampling import Stream, positions
from gald.data.segmentation import SegmentationDataset
from gald.data.transforms import segmentation as transforms
from gald.support.errors import UserError


@pytest.fixture
def data() -> SegmentationDataset:
    return synthetic(Path(), "train", size=(16, 24), classes=5, length=7)


def stream(data: SegmentationDataset, seed: int = 0) -> Stream:
    return Stream(data, transforms.train((8, 8), jitter=0.2), seed)


def names(data: SegmentationDataset, places: range, seed: int = 0) -> list[str]:
    return [data.name(stream(data, seed).index(place)) for place in places]


def test_each_pass_shows_each_picture_once_in_a_new_order(data: SegmentationDataset) -> None:
    passes = [names(data, range(7 * epoch, 7 * epoch + 7)) for epoch in range(3)]
    assert all(sorted(each) == [data.name(i) for i in range(7)] for each in passes)
    assert len({tuple(each) for each in passes}) == 3
    assert names(data, range(7), seed=1) != passes[0]


def test_a_sample_depends_on_seed_and_position_alone(data: SegmentationDataset) -> None:
    one, two = stream(data), stream(data)
    torch.manual_seed(5)
    late = one[1000]
    for place in (3, 999, 2):
        two[place]
    torch.manual_seed(6)
    again = two[1000]
    assert late["name"] == again["name"]
    assert torch.equal(late["image"], again["image"])
    assert not torch.equal(late["image"], stream(data, seed=1)[1000]["image"])


def test_a_picture_is_augmented_anew_in_every_pass(data: SegmentationDataset) -> None:
    whole = stream(data)
    places = [place for place in range(70) if whole.index(place) == 0]
    images = [whole[place]["image"].flatten().tolist() for place in places]
    assert len(places) == 10
    assert len({tuple(image) for image in images}) == 10


def test_the_callers_random_state_is_untouched(data: SegmentationDataset) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    stream(data)[5]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.gpu
def test_the_accelerators_random_state_is_untouched(data: SegmentationDataset) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    before = torch.cuda.get_rng_state()
    stream(data)[5]
    assert torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # fork beside threads, from Python 3.12
def test_workers_change_nothing(data: SegmentationDataset) -> None:
    turns = positions(2, 5, batch=4, rank=0, world=1, micro_batch=2)
    alone, helped = (list(DataLoader(stream(data), batch_sampler=turns, num_workers=workers)) for workers in (0, 2))
    assert len(alone) == len(helped) == 6
    for one, two in zip(alone, helped, strict=True):
        assert one["name"] == two["name"]
        assert torch.equal(one["image"], two["image"])
        assert torch.equal(one["mask"], two["mask"])


def test_two_processes_see_what_one_with_twice_the_micro_batch_sees() -> None:
    whole = positions(0, 3, batch=12, rank=0, world=1, micro_batch=6)
    parts = [positions(0, 3, batch=12, rank=rank, world=2, micro_batch=3) for rank in range(2)]
    assert [[*first, *second] for first, second in zip(*parts, strict=True)] == [list(turn) for turn in whole]


def test_every_position_is_taken_once() -> None:
    parts = [positions(0, 4, batch=24, rank=rank, world=3, micro_batch=2) for rank in range(3)]
    assert sorted(chain.from_iterable(chain.from_iterable(parts))) == list(range(96))
    assert all(len(part) == 4 * 4 for part in parts)  # steps times accumulated turns


def test_starting_late_equals_skipping() -> None:
    whole = positions(0, 9, batch=8, rank=1, world=2, micro_batch=2)
    turns_a_step = 8 // (2 * 2)
    assert positions(5, 9, batch=8, rank=1, world=2, micro_batch=2) == whole[5 * turns_a_step :]
    assert positions(9, 9, batch=8, rank=1, world=2, micro_batch=2) == []


@pytest.mark.parametrize(("batch", "world", "micro_batch"), [(8, 3, 1), (6, 1, 4), (2, 1, 4), (0, 1, 1)])
def test_a_batch_that_does_not_divide_is_said_so(batch: int, world: int, micro_batch: int) -> None:
    with pytest.raises(UserError, match=rf"a batch of {batch} does not divide .* multiple of {world * micro_batch}"):
        positions(0, 1, batch, 0, world, micro_batch)
