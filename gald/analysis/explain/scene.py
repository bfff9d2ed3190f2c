"""What a footprint is measured on: a picture, features on it, a place, and blocks, trained or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gald.analysis.explain.footprint import PATCH, PROBES, features, is_estimate, seeded
from gald.block.aggregation import AGGREGATORS
from gald.block.gald import GALD
from gald.engine.tasks import load_segmenter
from gald.images.size import resized
from gald.support.errors import UserError

LONGEST = 512  # pixels of a picture's longer side, without a checkpoint: attention over more takes minutes


@dataclass(frozen=True)
class Scene:
    """Position i of the features covers the pixels from ``i * stride`` up to ``(i + 1) * stride``.

    The last positions cover some beyond the picture.
    """

    image: Tensor
    """uint8 (3, H, W)."""
    features: Tensor
    """(C, h, w)."""
    place: tuple[int, int]
    """Row and column, of the features, that the footprints are of."""
    stride: float
    blocks: Mapping[str, nn.Module]
    origin: str
    """A sentence on where the blocks and the features come from."""

    @property
    def notes(self) -> list[str]:
        """A sentence if the strengths of any block rest on random mixtures of its outputs."""
        if not any(is_estimate(block, len(self.features)) for block in self.blocks.values()):
            return []
        return [f"Strengths are an estimate from {PROBES} random mixtures of the output's channels."]


def place_in(image: Tensor, at: tuple[int, int] | None, picture: Path) -> tuple[int, int]:
    """Row and column in pixels, the middle if none is named; `UserError` outside of the picture."""
    height, width = image.shape[1:]
    row, column = at or (height // 2, width // 2)
    if not (0 <= row < height and 0 <= column < width):
        raise UserError(
            f"--at {row} {column} is outside {picture}, which has rows 0 to {height - 1} and columns 0 to {width - 1}"
        )
    return row, column


def untrained_scene(
    image: Tensor, pixel: tuple[int, int], ga: tuple[str, ...], ld: str, reduce: int, seed: int
) -> Scene:
    """The picture's patches, and the aggregations with weights that show what they can hear."""
    factor = min(1.0, LONGEST / max(image.shape[1:]))
    x = features(resized(image, factor))
    channels, height, width = x.shape
    blocks: dict[str, nn.Module] = {}
    for name in ga or AGGREGATORS:
        torch.manual_seed(seed)
        blocks[name] = seeded(GALD(channels, ga=name, ld=ld, reduce=reduce), seed)
    behind = "" if ld == "none" else f" Behind each aggregation: local distribution {ld!r}."
    behind += " Aggregated on the full map (reduce 1)." if reduce == 1 else f" Aggregated at 1/{reduce} of that."
    origin = (
        f"Not trained: random weights (seed {seed}), every gate open. Features: the picture's 8x8 patches on "
        f"{channels} random directions, {height}x{width} positions.{behind}"
    )
    row, column = (int(side * factor) // PATCH for side in pixel)
    place = min(row, height - 1), min(column, width - 1)
    return Scene(image, x, place, PATCH / factor, blocks, origin)


def trained_scene(image: Tensor, pixel: tuple[int, int], checkpoint: Path) -> Scene:
    """The block of a trained network, and the features that it gets on this picture."""
    network, task, _ = load_segmenter(checkpoint)
    caught: list[Tensor] = []
    handle = network.block.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0][0]))
    with torch.no_grad():
        network(image[None])
    handle.remove()
    model, (height, width) = task.config.model, caught[0].shape[1:]
    stride = model.output_stride  # sample i lies on the same place of its cell in every picture
    place = min(pixel[0] // stride, height - 1), min(pixel[1] // stride, width - 1)
    origin = f"The block of {checkpoint.name} on its own features of this picture, {height}x{width} positions."
    blocks = {f"{model.ga} + {model.ld}, trained": network.block}
    return Scene(image, caught[0], place, float(stride), blocks, origin)
