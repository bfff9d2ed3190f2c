"""From pictures to logits: whole, in tiles, mirrored, at several scales.

Each function takes ``predict`` and pictures and returns logits of the pictures' size. ``predict`` is any function from
pictures (B, C, h, w) to logits (B, K, h, w); ``functools.partial`` turns each function here into one, so they stack:

    predict = partial(whole, model)                                          # {"out": ...} -> float32 logits
    predict = partial(sliding_window, predict, tile=(832, 832))              # in tiles
    predict = partial(flipped, predict)                                      # the tiles' picture, also mirrored
    logits = multi_scale(predict, pictures, scales=(0.75, 1.0, 1.25))        # all of that at each scale

`compose` builds that stack. Call under ``torch.inference_mode()``, with the model in evaluation mode.

What is averaged: tiles of one picture blend *logits*, as in the published evaluations (neighbouring tiles see nearly
the same, and a function of each pixel alone then gives the whole picture's logits). Views of another size or hand
average *probabilities*: the range of logits differs from view to view, and one view that is far off with a large logit
would outvote all others. The mean is returned as log-probabilities, which are logits: ``argmax`` and ``softmax`` after
it are right, and averages of averages stay averages.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Float64, Num
from torch import Tensor

from gald.block.layers import resize
from gald.support.errors import UserError, lookup

Predict = Callable[[Tensor], Tensor]
BAND = 64  # rows whose probabilities are made at once


def whole(
    model: Callable[[Tensor], Tensor | Mapping[str, Tensor]], images: Num[Tensor, "b c h w"]
) -> Float32[Tensor, "b k h w"]:
    """Return the model's logits for the pictures as they are, in float32; a model may return ``{"out": logits}``."""
    output = model(images)
    return (output["out"] if isinstance(output, Mapping) else output).float()


def tile_starts(side: int, tile: int, overlap: float) -> list[int]:
    """Return the first pixel of each tile along one side of a picture.

    The step is ``tile * (1 - overlap)``, rounded up; the last tile is shifted back inside. A side of at most ``tile``
    has one tile. With 832 and 1/3 the step is 555: 2 tiles on 1024 pixels, 4 on 2048.
    """
    # less a hair: 900 * (1 - 1/3) is 600.0000000000001 in floating point
    step = max(1, math.ceil(tile * (1 - overlap) - 1e-6))
    count = max(0, math.ceil((side - tile) / step)) + 1
    return [max(0, min(number * step, side - tile)) for number in range(count)]


def _hann(length: int) -> Float64[Tensor, " n"]:
    """Return a Hann window sampled between its zeros, so that no weight is 0."""
    return torch.sin(math.pi * (torch.arange(length, dtype=torch.float64) + 0.5) / length) ** 2


def _flat(length: int) -> Float64[Tensor, " n"]:
    return torch.ones(length, dtype=torch.float64)


BLENDS = {"hann": _hann, "flat": _flat}


def tile_weights(side: int, length: int, starts: Sequence[int], blend: str) -> list[Float32[Tensor, " n"]]:
    """Return each tile's weights along one side, which add up to 1 at every pixel of the side.

    Tiles stand in a grid, so the weight of a pixel is the product of its row's and its column's: neither a map of
    weights nor a division at the end is needed.
    """
    window = lookup(BLENDS, blend, "blend")(length)
    total = torch.zeros(side, dtype=torch.float64)
    for start in starts:
        total[start : start + length] += window
    return [(window / total[start : start + length]).float() for start in starts]


def _check_tile(tile: int, overlap: float) -> None:
    if tile < 1:
        raise UserError(f"tile {tile}: a tile has 1 pixel or more on each side")
    if not 0 <= overlap < 1:
        raise UserError(f"overlap {overlap:g}: it is a share of a tile, from 0 to below 1")


def _check_scales(scales: Sequence[float]) -> None:
    if not scales or min(scales) <= 0:
        raise UserError(f"scales {tuple(scales)} must be one or more numbers above 0, such as (0.75, 1.0, 1.25)")


def _tiling(side: int, tile: int, overlap: float, blend: str) -> list[tuple[slice, Float32[Tensor, " n"]]]:
    """Return where each tile lies along one side, and its weights there."""
    _check_tile(tile, overlap)
    length, starts = min(tile, side), tile_starts(side, tile, overlap)
    weights = tile_weights(side, length, starts, blend)
    return [(slice(start, start + length), weight) for start, weight in zip(starts, weights, strict=True)]


def sliding_window(
    predict: Predict,
    images: Num[Tensor, "b c h w"],
    tile: tuple[int, int],
    overlap: float | tuple[float, float] = 1 / 3,
    blend: str = "hann",
) -> Float32[Tensor, "b k h w"]:
    """Return logits predicted tile by tile and blended: memory for one tile's activations at any size of picture.

    A picture smaller than a tile along a side is predicted as it is on that side: no invented pixels around it, for the
    models here take any size. The sum is kept where ``images`` lies (on the CPU, if ``predict`` moves tiles to a device
    itself), in one float32 map of K channels.

    Args:
        predict: logits of pictures of any size up to ``tile``.
        images: (B, C, H, W).
        tile: rows and columns.
        overlap: the share of a tile that the next one covers too, in [0, 1), for both sides or (rows, columns).
        blend: ``"hann"`` (a tile counts little near its rim, where it sees little context) or ``"flat"``.

    Raises:
        UserError: a tile below 1 pixel, an overlap outside [0, 1), an unknown blend.
    """
    overlaps = (overlap, overlap) if isinstance(overlap, (int, float)) else overlap
    rows, columns = (
        _tiling(side, length, share, blend)
        for side, length, share in zip(images.shape[2:], tile, overlaps, strict=True)
    )
    total: Tensor | None = None
    for (y, row_weight), (x, column_weight) in product(rows, columns):
        logits = predict(images[:, :, y, x]).to(images.device, torch.float32)
        if total is None:
            total = logits.new_zeros(*logits.shape[:2], *images.shape[2:])
        weight = row_weight[:, None] * column_weight
        total[:, :, y, x] += logits * weight.to(images.device)
        del logits  # else it would stay until the next tile is done
    assert total is not None
    return total


def _log_mean(views: Iterator[tuple[Float[Tensor, "b k h w"], bool]], count: int) -> Float32[Tensor, "b k h w"]:
    """Return the log of the mean of the views' probabilities; each comes with whether it is a mirror image.

    A map of K channels is large (159 MB for 19 x 1024 x 2048), so there is the sum, one view at a time, and a band.
    """
    total: Tensor | None = None
    for view, mirrored in views:
        total = torch.zeros_like(view, dtype=torch.float32) if total is None else total
        for mean, logits in zip(*(torch.split(logits, BAND, 2) for logits in (total, view)), strict=True):
            band = logits.float().softmax(1)
            mean += band.flip(-1) if mirrored else band
        del view, logits  # else they would stay until the next view is there
    assert total is not None
    # a probability that vanished in float32 stays a finite logit: -inf turns to NaN in the next resize
    return total.div_(count).clamp_min_(torch.finfo(torch.float32).tiny).log_()


def flipped(predict: Predict, images: Num[Tensor, "b c h w"]) -> Float32[Tensor, "b k h w"]:
    """Return log-probabilities, the mean over the pictures and their mirror images (left and right swapped)."""
    return _log_mean(((predict(images.flip(-1) if mirrored else images), mirrored) for mirrored in (False, True)), 2)


def multi_scale(
    predict: Predict, images: Num[Tensor, "b c h w"], scales: Sequence[float]
) -> Float32[Tensor, "b k h w"]:
    """Return log-probabilities, the mean over the pictures resized by each factor in ``scales``.

    Pictures are resized bilinearly, with antialiasing where they shrink, and the logits bilinearly back. Whole numbers
    (uint8) become float in [0, 1] first, the other form that models here take. A side never falls below 1 pixel.

    Raises:
        UserError: no scale, or one that is not above 0.
    """
    _check_scales(scales)
    if not images.is_floating_point():
        images = images.float() / 255
    height, width = images.shape[2:]

    def at(scale: float) -> Tensor:
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        if size == (height, width):
            return predict(images)
        scaled = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=scale < 1)
        return resize(predict(scaled).float(), (height, width))

    return _log_mean(((at(scale), False) for scale in scales), len(scales))


def compose(
    model: Callable[[Tensor], Tensor | Mapping[str, Tensor]],
    *,
    tile: int | tuple[int, int] | None = None,
    overlap: float | tuple[float, float] = 1 / 3,
    blend: str = "hann",
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
) -> Predict:
    """Return a function from pictures to logits that does all that is asked for, every option with every other.

    At each scale the resized picture and, with ``flip``, its mirror image are predicted, in tiles if ``tile`` is given:
    rows and columns, or one number for squares.
    The result are float32 logits: the model's own (blended, with tiles), or log-probabilities if views are averaged.

    Raises:
        UserError: what `sliding_window` and `multi_scale` would raise, before any picture.
    """
    _check_scales(scales)
    predict: Predict = partial(whole, model)
    sides = (tile, tile) if isinstance(tile, int) else tile
    if sides is not None:
        overlaps = (overlap, overlap) if isinstance(overlap, (int, float)) else overlap
        for length, share in zip(sides, overlaps, strict=True):
            _check_tile(length, share)
        lookup(BLENDS, blend, "blend")
        predict = partial(sliding_window, predict, tile=sides, overlap=overlap, blend=blend)
    if flip:
        predict = partial(flipped, predict)
    if tuple(scales) != (1.0,):
        predict = partial(multi_scale, predict, scales=scales)
    return predict
