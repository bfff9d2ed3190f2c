"""``gald footprint PICTURE``: what one place of a picture hears of all the others, for each aggregation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

if TYPE_CHECKING:
    from rich.table import Table
    from torch import Tensor, nn

    from gald.footprint import Reach

LONGEST = 512  # pixels of a picture's longer side, without a checkpoint: attention over more takes minutes
CELL = 300  # pixels of a picture on the sheet
FLOOR = 1e-5  # of the peak: the lowest colour


@dataclass(frozen=True)
class Scene:
    """A picture (3, H, W), the features on it (C, h, w), and the place as a row and column of those."""

    image: Tensor
    features: Tensor
    place: tuple[int, int]

    @property
    def stride(self) -> float:
        """Pixels of the picture per position."""
        return float(max(self.image.shape[1:]) / max(self.features.shape[1:]))


def footprint(
    picture: Positional[Path],
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
    pattern a module *can* hear. Colours are logarithmic, relative to the peak. The table says how much of the gradient
    lies on the place itself, within what radius 90 % of it lies, and what share of the positions has more than 1e-3 and
    1e-5 of the peak.

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
    import sys

    from rich.console import Console

    from gald.errors import UserError
    from gald.files import check_writable
    from gald.footprint import footprint as strength_of
    from gald.footprint import reach
    from gald.pictures import read_image, write_image
    from gald.progress import track

    if checkpoint is not None and (ga or ld != "none" or reduce != 1):
        raise UserError("a checkpoint has its own block: leave out --ga, --ld and --reduce")
    image = read_image(picture)
    place = _place(image, at, picture)
    check_writable(out)
    scene, blocks = _trained(checkpoint, image, place) if checkpoint else _untrained(image, place, ga, ld, reduce, seed)
    found: dict[str, tuple[Tensor, Reach]] = {}
    for name in track(blocks, "footprint", len(blocks), unit="blocks"):
        strength = strength_of(blocks[name].eval().requires_grad_(False), scene.features, scene.place)
        found[name] = (strength, reach(strength, scene.place))

    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table({name: each for name, (_, each) in found.items()}, scene.stride))
    write_image(_sheet(scene, found, _words(scene, ld, checkpoint, seed)), out)
    print(f"sheet: {out}")


def _place(image: Tensor, at: tuple[int, int] | None, picture: Path) -> tuple[int, int]:
    from gald.errors import UserError

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

    from gald.aggregation import AGGREGATORS
    from gald.block import GALD
    from gald.footprint import STRIDE, features, seeded

    factor = min(1.0, LONGEST / max(image.shape[1:]))
    shrunk = _resized(image, factor)
    x = features(shrunk)
    row, column = (min(int(each * factor) // STRIDE, side - 1) for each, side in zip(place, x.shape[1:], strict=True))
    blocks: dict[str, nn.Module] = {}
    for name in ga or AGGREGATORS:
        torch.manual_seed(seed)
        blocks[name] = seeded(GALD(x.shape[0], ga=name, ld=ld, reduce=reduce), seed)
    return Scene(image, x, (row, column)), blocks


def _trained(path: Path, image: Tensor, place: tuple[int, int]) -> tuple[Scene, dict[str, nn.Module]]:
    """The network's block, and the features that it gets on this picture."""
    import torch

    from gald.tasks.segment import load_model

    network, content = load_model(path)
    caught: list[Tensor] = []
    handle = network.block.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0][0]))
    with torch.no_grad():
        network(image[None])
    handle.remove()
    stride = content.config.model.output_stride  # sample i lies on the same place of its cell in every picture
    row, column = (min(each // stride, side - 1) for each, side in zip(place, caught[0].shape[1:], strict=True))
    settings = content.config.model
    return Scene(image, caught[0], (row, column)), {f"{settings.ga} + {settings.ld}, trained": network.block}


def table(found: dict[str, Reach], stride: float) -> Table:
    """A line for each block; ``stride`` makes pixels of positions."""
    from rich.table import Table

    sheet = Table(title="where the gradient of one place lies")
    sheet.add_column("block")
    for heading in ("on the place\n%", "90 % within\npixels", "above 1e-3\n% of places", "above 1e-5\n% of places"):
        sheet.add_column(heading, justify="right")
    for name, each in found.items():
        numbers = (100 * each.own, each.radius * stride, 100 * each.strong, 100 * each.any)
        sheet.add_row(name, *(f"{number:.{digits}f}" for number, digits in zip(numbers, (1, 0, 2, 2), strict=True)))
    return sheet


# ---- the sheet


def _words(scene: Scene, ld: str, checkpoint: Path | None, seed: int) -> tuple[str, ...]:
    """What one must know to read the sheet."""
    positions = f"{scene.features.shape[1]}x{scene.features.shape[2]} positions"
    what = "Colour: the size of d out(circle) / d in(position) over all channels, relative to the peak, logarithmic."
    numbers = (
        "Hears: the share of positions above 1e-5 of the peak. 90 % within: a circle that holds 90 % of the gradient."
    )
    if checkpoint:
        return what, numbers, f"The block of {checkpoint.name} on its own features of this picture, {positions}."
    behind = "" if ld == "none" else f" Behind each aggregation: local distribution {ld!r}."
    return (
        what,
        numbers,
        f"Not trained: random weights (seed {seed}), every gate open. Features: the picture's 8x8 patches on "
        f"{scene.features.shape[0]} random directions, {positions}.{behind}",
    )


def _sheet(scene: Scene, found: dict[str, tuple[Tensor, Reach]], words: tuple[str, ...]) -> Tensor:
    from gald.sheet import Cell, sheet

    small = _resized(scene.image, CELL / max(scene.image.shape[1:]))
    size = f"{scene.image.shape[2]}x{scene.image.shape[1]} pixels"
    cells = [Cell("picture", size, _marked(small, scene))]
    for name, (strength, each) in found.items():
        note = f"hears {100 * each.any:.3g} %, 90 % within {each.radius * scene.stride:.0f} px"
        cells.append(Cell(name, note, _marked(_heated(small, strength), scene)))
    return sheet(cells, (f"{FLOOR:g}", "peak"), words)


def _heated(image: Tensor, strength: Tensor) -> Tensor:
    """The picture dark and grey, and over it the colour of what is above the floor, the denser the stronger."""
    import torch
    import torch.nn.functional as F

    from gald.figure import heat

    relative = (strength / strength.max().clamp(min=1e-30)).clamp(min=FLOOR)
    level = 1 - relative.log10() / torch.tensor(FLOOR).log10()
    level = F.interpolate(level[None, None], tuple(image.shape[1:]), mode="nearest-exact")[0, 0]
    grey = image.float().mean(0, keepdim=True) * 0.4
    density = torch.where(level > 0, 0.4 + 0.5 * level, 0.0)
    mixed = grey.expand(3, -1, -1) * (1 - density) + heat(level, 0.0, 1.0) * density
    return mixed.round().clamp(0, 255).to(torch.uint8)


def _marked(image: Tensor, scene: Scene) -> Tensor:
    """A ring around the place."""
    import torch

    rows, columns = (torch.arange(side) + 0.5 for side in image.shape[1:])
    y, x = ((each + 0.5) * image.shape[1:][i] / scene.features.shape[1:][i] for i, each in enumerate(scene.place))
    distance = ((rows[:, None] - y) ** 2 + (columns - x) ** 2).sqrt()
    marked = torch.where((distance - 8).abs() < 2.2, torch.tensor(0, dtype=torch.uint8), image)
    return torch.where((distance - 8).abs() < 1.2, torch.tensor(255, dtype=torch.uint8), marked)


def _resized(image: Tensor, factor: float) -> Tensor:
    """By area where it shrinks; at least one pixel a side."""
    import torch
    import torch.nn.functional as F

    size = tuple(max(1, round(side * factor)) for side in image.shape[1:])
    resized = F.interpolate(image[None].float(), size, mode="bilinear", antialias=factor < 1, align_corners=False)[0]
    return resized.round().clamp(0, 255).to(torch.uint8)
