"""``gald footprint PICTURE``: what one place of a picture hears of all the others, for each aggregation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table
    from torch import Tensor, nn

    from gald.analysis.footprint import Reach

LONGEST = 512  # pixels of a picture's longer side, without a checkpoint: attention over more takes minutes
FLOOR = 1e-3  # of the largest strength elsewhere: the lowest colour


@dataclass(frozen=True)
class Scene:
    """A picture (3, H, W), the features on it (C, h, w), and the place as a row and column of those.

    Position i covers the pixels from ``i * stride`` up to ``(i + 1) * stride``, the last ones some beyond the picture.
    """

    image: Tensor
    features: Tensor
    place: tuple[int, int]
    stride: float


def footprint(
    picture: Annotated[Positional[Path], arg(metavar="PICTURE")],
    ga: tuple[str, ...] = (),
    ld: str = "none",
    at: tuple[int, int] | None = None,
    reduce: int = 1,
    checkpoint: Path | None = None,
    seed: int = 0,
    out: Path = Path("footprint.png"),
) -> None:
    """Draw what one place of a picture hears of all the others: the size of d out(place) / d in(position).

    Without a checkpoint, the features are the picture's 8x8 patches on 32 random directions, and the modules have
    random weights with every gate open (untrained, many would be the identity): what is drawn is how far and by what
    pattern a module *can* hear. Colours are logarithmic, relative to the largest strength elsewhere than at the place
    itself. The table says how much of the summed gradient lies on the place, within what radius 90 % of it lies, and
    what share of the other positions holds half of the rest, and has more than 1e-3 of the largest. Beyond 32 channels
    of output the strengths are an estimate, from 32 random mixtures of them.

    Args:
        picture: any picture file; shrunk to 512 pixels, unless there is a checkpoint.
        ga: global aggregations, by name; every one if left out.
        ld: the local distribution that follows.
        at: row and column of the place, in pixels of the picture; its middle if left out.
        reduce: the aggregation runs at 1/reduce of the feature's size.
        checkpoint: draw the block of this trained network instead, on its own features.
        seed: of the modules' weights.
        out: the sheet.
    """
    from gald.images.io import check_picture, read_image, write_image

    _check(ga, ld, reduce, checkpoint, seed)
    image = read_image(picture)
    place = _place(image, at, picture)
    check_picture(out)
    scene, blocks = _trained(checkpoint, image, place) if checkpoint else _untrained(image, place, ga, ld, reduce, seed)
    found = _measured(scene, blocks)
    words = [*_reading(), _origin(scene, ld, reduce, checkpoint, seed), *_estimated(scene, blocks)]
    _show(found, scene, words[-1:] if _estimated(scene, blocks) else [])
    write_image(_sheet(scene, found, words), out)
    print(f"sheet: {out}")


def _check(ga: tuple[str, ...], ld: str, reduce: int, checkpoint: Path | None, seed: int) -> None:
    from gald.support.errors import UserError

    if checkpoint is not None and (ga or ld != "none" or reduce != 1):
        raise UserError("a checkpoint has its own block: leave out --ga, --ld and --reduce")
    if not 0 <= seed < 2**63:
        raise UserError(f"--seed is {seed}; it must be from 0 to 2**63 - 1")


def _place(image: Tensor, at: tuple[int, int] | None, picture: Path) -> tuple[int, int]:
    from gald.support.errors import UserError

    height, width = image.shape[1:]
    row, column = at or (height // 2, width // 2)
    if not (0 <= row < height and 0 <= column < width):
        raise UserError(
            f"--at {row} {column} is outside {picture}, which has rows 0 to {height - 1} and columns 0 to {width - 1}"
        )
    return row, column


def _untrained(
    image: Tensor, place: tuple[int, int], ga: tuple[str, ...], ld: str, reduce: int, seed: int
) -> tuple[Scene, dict[str, nn.Module]]:
    """The picture's patches, and the aggregations with weights that show what they can hear."""
    import torch

    from gald.analysis.footprint import STRIDE, features, seeded
    from gald.block.aggregation import AGGREGATORS
    from gald.block.gald import GALD
    from gald.images.heatmap import resized

    factor = min(1.0, LONGEST / max(image.shape[1:]))
    shrunk = resized(image, factor)
    x = features(shrunk)
    row, column = (min(int(each * factor) // STRIDE, side - 1) for each, side in zip(place, x.shape[1:], strict=True))
    blocks: dict[str, nn.Module] = {}
    for name in ga or AGGREGATORS:
        torch.manual_seed(seed)
        blocks[name] = seeded(GALD(x.shape[0], ga=name, ld=ld, reduce=reduce), seed)
    return Scene(image, x, (row, column), STRIDE / factor), blocks


def _trained(path: Path, image: Tensor, place: tuple[int, int]) -> tuple[Scene, dict[str, nn.Module]]:
    """The network's block, and the features that it gets on this picture."""
    import torch

    from gald.engine.tasks.segmentation import load_segmenter

    network, task, _ = load_segmenter(path)
    caught: list[Tensor] = []
    handle = network.block.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0][0]))
    with torch.no_grad():
        network(image[None])
    handle.remove()
    settings = task.config.model
    stride = settings.output_stride  # sample i lies on the same place of its cell in every picture
    row, column = (min(each // stride, side - 1) for each, side in zip(place, caught[0].shape[1:], strict=True))
    scene = Scene(image, caught[0], (row, column), float(stride))
    return scene, {f"{settings.ga} + {settings.ld}, trained": network.block}


def _measured(scene: Scene, blocks: dict[str, nn.Module]) -> dict[str, tuple[Tensor, Reach]]:
    """For each block its strengths, and these in numbers."""
    from gald.analysis.footprint import footprint, reach
    from gald.support.progress import track

    found: dict[str, tuple[Tensor, Reach]] = {}
    for name in track(blocks, "footprint", len(blocks), unit="blocks"):
        strength = footprint(blocks[name].eval().requires_grad_(False), scene.features, scene.place)
        found[name] = (strength, reach(strength, scene.place))
    return found


# ---- what is said


def _show(found: dict[str, tuple[Tensor, Reach]], scene: Scene, words: Sequence[str]) -> None:
    from gald.support.tables import console

    console(120).print(table({name: each for name, (_, each) in found.items()}, scene.stride))
    for line in words:
        print(line)


def table(found: dict[str, Reach], stride: float) -> Table:
    """A line for each block; ``stride`` makes pixels of positions."""
    from rich.table import Table

    lines = Table(title="where the gradient of one place lies")
    lines.add_column("block")
    for heading in (
        "on the place\n%",
        "90 % of the summed\ngradient, pixels",
        "half of the rest on\n% of places",
        "above 1e-3 of the largest\nelsewhere, % of places",
    ):
        lines.add_column(heading, justify="right")
    for name, each in found.items():
        numbers = (100 * each.own, each.radius * stride, 100 * each.half, 100 * each.strong)
        lines.add_row(name, *(f"{number:.{digits}f}" for number, digits in zip(numbers, (1, 0, 2, 2), strict=True)))
    return lines


def _reading() -> tuple[str, ...]:
    """How to read the sheet."""
    return (
        "Colour: the size of d out(place) / d in(position) over all channels, relative to the largest elsewhere than "
        "at the place itself, logarithmic; grey: "
        f"below {FLOOR:g}. White, in the ring: the place itself, off the scale.",
        "Own: the place's share of the summed gradient. Half of the rest: the share of the other places, the strongest "
        "first, that hold half of what is left.",
    )


def _origin(scene: Scene, ld: str, reduce: int, checkpoint: Path | None, seed: int) -> str:
    """What was measured, on what."""
    positions = f"{scene.features.shape[1]}x{scene.features.shape[2]} positions"
    if checkpoint:
        return f"The block of {checkpoint.name} on its own features of this picture, {positions}."
    behind = "" if ld == "none" else f" Behind each aggregation: local distribution {ld!r}."
    behind += " Aggregated on the full map (reduce 1)." if reduce == 1 else f" Aggregated at 1/{reduce} of that."
    return (
        f"Not trained: random weights (seed {seed}), every gate open. Features: the picture's 8x8 patches on "
        f"{scene.features.shape[0]} random directions, {positions}.{behind}"
    )


def _estimated(scene: Scene, blocks: dict[str, nn.Module]) -> list[str]:
    from gald.analysis.footprint import PROBES, is_estimate

    channels = scene.features.shape[0]
    if not any(is_estimate(block, channels) for block in blocks.values()):
        return []
    return [f"Strengths are an estimate from {PROBES} random mixtures of the output's channels."]


# ---- the sheet


def _sheet(scene: Scene, found: dict[str, tuple[Tensor, Reach]], words: Sequence[str]) -> Tensor:
    from gald.images.heatmap import covered, levels, marked, painted, resized
    from gald.images.sheet import Cell, Scale, longest_side, sheet

    factor = longest_side(len(found) + 1) / max(scene.image.shape[1:])
    small, cell = resized(scene.image, factor), scene.stride * factor
    size = f"{scene.image.shape[2]}x{scene.image.shape[1]} pixels"
    cells = [Cell("picture", size, marked(small, scene.place, cell))]
    for name, (strength, each) in found.items():
        level, _ = levels(strength, scene.place, FLOOR)
        drawn = painted(small, level, scene.place, cell)
        cells.append(Cell(name, _note(each), marked(drawn, scene.place, cell)))
    return sheet(cells, Scale(f"{FLOOR:g}", "largest elsewhere", covered), words)


def _note(each: Reach) -> str:
    """The numbers below a name."""
    if each.half == 0:
        return "hears itself alone"
    return f"own {_percent(each.own)}, half of the rest: {_percent(each.half)}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.3g} %"
