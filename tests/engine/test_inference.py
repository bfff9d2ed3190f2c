"""Tiles, mirror images and scales change nothing that they should not, and are honoured together."""

from __future__ import annotations

import weakref
from functools import partial

import pytest
import torch
from torch import nn

from gald.engine.inference import compose, flipped, multi_scale, sliding_window, tile_starts, tile_weights, whole
from gald.support.errors import UserError


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture
def images():
    return torch.rand(2, 3, 37, 53, generator=torch.Generator().manual_seed(0))


def pointwise():
    torch.manual_seed(1)
    return nn.Conv2d(3, 5, 1).eval()


def blind(x):
    """Logits that depend on the column only: class 1 wins to the right, so a mirrored view says otherwise."""
    ramp = torch.linspace(-3, 3, x.shape[-1]).expand(x.shape[0], 1, *x.shape[2:])
    return torch.cat([torch.zeros_like(ramp), ramp], 1)


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- tiles


@pytest.mark.parametrize("tile", [832, 769])
def test_published_numbers_of_tiles(tile):
    rows, columns = tile_starts(1024, tile, 1 / 3), tile_starts(2048, tile, 1 / 3)
    assert (len(rows), len(columns)) == (2, 4)
    step = {832: 555, 769: 513}[tile]
    assert rows == [0, 1024 - tile]
    assert columns == [0, step, 2 * step, 2048 - tile]


@pytest.mark.parametrize(
    ("side", "tile", "overlap", "expected"),
    [
        (900, 900, 1 / 3, [0]),
        (1500, 900, 1 / 3, [0, 600]),  # 900 * (1 - 1/3) is a hair above 600
        (5, 9, 0.5, [0]),
        (1, 1, 0.0, [0]),
        (10, 4, 0.0, [0, 4, 6]),
        (6, 4, 0.99, [0, 1, 2]),
    ],
)
def test_tile_starts(side, tile, overlap, expected):
    assert tile_starts(side, tile, overlap) == expected


@pytest.mark.parametrize("blend", ["hann", "flat"])
@pytest.mark.parametrize(
    ("side", "tile", "overlap"), [(2048, 832, 1 / 3), (37, 16, 0.0), (37, 16, 0.9), (5, 5, 0.5), (1, 1, 0)]
)
def test_weights_are_positive_and_add_up_to_one(blend, side, tile, overlap):
    starts = tile_starts(side, tile, float(overlap))
    total = torch.zeros(side)
    for start, weights in zip(starts, tile_weights(side, tile, starts, blend), strict=True):
        assert (weights > 0).all()
        total[start : start + tile] += weights
    close(total, torch.ones(side))


@pytest.mark.parametrize("blend", ["hann", "flat"])
@pytest.mark.parametrize("overlap", [0.0, 1 / 3, 0.5, 0.95, (0.0, 0.75)])
@pytest.mark.parametrize("tile", [(16, 16), (1, 1), (10, 53), (11, 60), (100, 7)])
def test_a_function_of_each_pixel_is_the_same_in_tiles(images, tile, overlap, blend):
    if tile == (1, 1):
        images = images[:, :, :6, :7]
    model = pointwise()
    close(sliding_window(model, images, tile, overlap, blend), model(images))


def test_a_constant_stays_constant(images):
    def constant(x):
        return torch.tensor([1.0, -2.0]).reshape(1, 2, 1, 1).expand(len(x), 2, *x.shape[2:])

    close(sliding_window(constant, images, (16, 20), 0.4), constant(images))


def test_tiles_have_the_asked_size_and_small_pictures_stay_as_they_are(images):
    seen = []

    def record(x):
        seen.append(tuple(x.shape))
        return x

    sliding_window(record, images, (16, 20), 0.0)
    assert set(seen) == {(2, 3, 16, 20)}
    assert len(seen) == 3 * 3
    seen.clear()
    sliding_window(record, images, (100, 20), 0.0)
    assert set(seen) == {(2, 3, 37, 20)}
    seen.clear()
    sliding_window(record, images[:1, :, :1, :1], (832, 832))
    assert seen == [(1, 3, 1, 1)]


def test_hann_trusts_a_tile_in_its_middle():
    # tiles of 8 at 0 and 4: class 0 says which tile a pixel comes from
    order = iter([0.0, 1.0])

    def numbered(x):
        return torch.full((1, 1, *x.shape[2:]), next(order))

    found = sliding_window(numbered, torch.zeros(1, 3, 8, 12), (8, 8), 0.5)[0, 0, 0]
    assert found[:4].tolist() == [0] * 4
    assert found[8:].tolist() == [1] * 4
    assert (found[4:8].diff() > 0).all()
    close(found[4:8] + found[4:8].flip(0), torch.ones(4))


def test_the_sum_is_float32_where_the_images_lie(images):
    found = sliding_window(lambda x: x.bfloat16(), images, (16, 16))
    assert found.dtype == torch.float32
    assert found.device == images.device


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tile": (0, 8)}, "tile 0:"),
        ({"tile": (8, 8), "overlap": 1.0}, "overlap 1:"),
        ({"tile": (8, 8), "overlap": (0.5, -0.1)}, "overlap -0.1"),
        ({"tile": (8, 8), "blend": "han"}, "unknown blend 'han'; did you mean 'hann'"),
    ],
)
def test_wrong_tiles_are_refused(images, options, sentence):
    with pytest.raises(UserError, match=sentence):
        sliding_window(pointwise(), images, **options)


# ---------------------------------------------------------------- mirror images and scales


def test_flipped_is_the_mean_of_both_probabilities(images):
    expected = (blind(images).softmax(1) + blind(images).flip(-1).softmax(1)) / 2
    close(flipped(blind, images).exp(), expected)


def test_scales_are_averaged_as_probabilities():
    # the logit is the picture's number of rows: 2 and 4 for one picture
    def rows(x):
        ones = torch.ones(1, 1, *x.shape[2:])
        return torch.cat([ones * x.shape[2], ones * 0], 1)

    found = multi_scale(rows, torch.zeros(1, 3, 2, 2), (1.0, 2.0))
    expected = (torch.tensor([2.0, 0.0]).softmax(0) + torch.tensor([4.0, 0.0]).softmax(0)) / 2
    close(found.exp(), expected.reshape(1, 2, 1, 1).expand(1, 2, 2, 2))


@pytest.mark.parametrize("scales", [(1.0,), (0.5,), (0.5, 0.75, 1.0, 1.7), (0.01,)])
@pytest.mark.parametrize("size", [(37, 53), (1, 1), (1, 8)])
def test_any_scale_and_size_keeps_the_size_and_is_a_distribution(scales, size):
    found = multi_scale(pointwise(), torch.rand(2, 3, *size), scales)
    assert found.shape == (2, 5, *size)
    assert found.dtype == torch.float32
    close(found.exp().sum(1), torch.ones(2, *size))


def test_scale_one_is_the_model(images):
    model = pointwise()
    close(multi_scale(model, images, (1.0,)), model(images).log_softmax(1))


def test_shrinking_is_antialiased():
    checks = (torch.arange(32)[:, None] + torch.arange(32)) % 2
    seen = []

    def record(x):
        seen.append(x)
        return x

    multi_scale(record, checks.float().expand(1, 3, 32, 32), (0.3,))
    inner = seen[0][..., 2:-2, 2:-2]
    assert (inner - 0.5).abs().max() < 0.05


def test_bytes_are_scaled_like_floats(images):
    model, whole_numbers = pointwise(), (images * 255).round().byte()
    found = multi_scale(model, whole_numbers, (0.5, 1.0))
    close(found, multi_scale(model, whole_numbers / 255, (0.5, 1.0)))


def test_sure_predictions_stay_finite(images):
    def sure(x):
        return torch.stack([x[:, 0] * 0 + 1000, x[:, 0] * 0], 1)

    found = multi_scale(partial(flipped, sure), images, (0.5, 1.0, 1.5))
    assert found.isfinite().all()
    assert (found.argmax(1) == 0).all()


@pytest.mark.parametrize("scales", [(), (1.0, 0.0), (-1.0,)])
def test_wrong_scales_are_refused(images, scales):
    with pytest.raises(UserError, match="scales"):
        multi_scale(pointwise(), images, scales)


# ---------------------------------------------------------------- all together


TILES = [None, (37, 53), (16, 24)]
SCALES = [(1.0,), (0.5, 1.0, 1.5)]


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("tile", TILES)
def test_flip_is_honoured_in_every_mode(images, tile, scales):
    plain = compose(blind, tile=tile, scales=scales)(images)
    assert (plain - plain.flip(-1)).abs().max() > 1
    both = compose(blind, tile=tile, scales=scales, flip=True)(images)
    close(both, both.flip(-1))
    expected = (plain.softmax(1) + plain.flip(-1).softmax(1)) / 2
    if tile != (16, 24):  # tiles of the mirrored picture start elsewhere
        close(both.exp(), expected)


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("tile", TILES)
def test_flip_commutes_with_mirroring(images, tile, scales):
    torch.manual_seed(2)
    model = nn.Conv2d(3, 5, 5, padding=2)
    predict = compose(model, tile=tile, scales=scales, flip=True)
    close(predict(images.flip(-1)), predict(images).flip(-1))


def test_compose_tiles_every_scale_and_both_hands(images):
    seen = []

    def record(x):
        seen.append(tuple(x.shape[2:]))
        return x

    compose(record, tile=(32, 32), overlap=0.0, scales=(0.5, 1.0, 2.0), flip=True)(images)
    views = {0.5: [(18, 26)], 1.0: [(32, 32)] * 4, 2.0: [(32, 32)] * 12}
    assert seen == [size for scale in views for _ in range(2) for size in views[scale]]


def test_one_side_makes_square_tiles(images):
    seen = set()

    def record(x):
        seen.add(tuple(x.shape[2:]))
        return x

    compose(record, tile=16)(images)
    assert seen == {(16, 16)}


def test_without_options_the_models_own_logits(images):
    model = pointwise()
    assert torch.equal(compose(model)(images), model(images))


def test_a_model_may_return_the_houses_dict_in_any_precision(images):
    found = whole(lambda x: {"out": x.bfloat16(), "aux": x}, images)
    assert found.dtype == torch.float32
    assert torch.equal(found, images.bfloat16().float())
    assert (
        compose(lambda x: {"out": x.bfloat16()}, tile=(16, 16), scales=(0.5, 1.0), flip=True)(images).shape
        == images.shape
    )


@pytest.mark.parametrize("options", [{"tile": (16, 24)}, {"flip": True}, {"scales": (0.5, 1.0, 1.5)}])
def test_no_earlier_view_is_kept_while_the_next_is_predicted(images, options):
    """Each is as large as the result: kept ones are what fills the memory at full size."""
    model, given = pointwise(), []

    def record(x):
        assert [each() for each in given] == [None] * len(given)
        logits = model(x).clone()
        given.append(weakref.ref(logits))
        return logits

    compose(record, **options)(images)
    assert len(given) > 1


@pytest.mark.parametrize("height", [1, 63, 64, 65, 130])
def test_bands_of_rows_make_no_difference(height):
    logits = 9 * torch.randn(2, 4, height, 5, generator=torch.Generator().manual_seed(3))
    views = iter([logits, logits.flip(-1) / 2])
    expected = (logits.softmax(1) + (logits / 2).softmax(1)) / 2
    close(flipped(lambda x: next(views), torch.zeros(2, 3, height, 5)).exp(), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_pictures_stay_on_the_cpu_while_tiles_move(images):
    model = pointwise().to("cuda")
    found = sliding_window(lambda x: model(x.to("cuda")), images, (16, 16))
    assert found.device.type == "cpu"
    torch.testing.assert_close(found, model(images.to("cuda")).cpu(), rtol=1e-3, atol=1e-3)
