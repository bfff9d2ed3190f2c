"""``gald footprint PICTURE``: what one place of a picture hears of all the others, for each aggregation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.table import Table
from tyro.conf import Positional, arg

from gald.support.errors import UserError
from gald.support.tables import console

if TYPE_CHECKING:
    from gald.analysis.explain.footprint import Reach


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
    if checkpoint is not None and (ga or ld != "none" or reduce != 1):
        raise UserError("a checkpoint has its own block: leave out --ga, --ld and --reduce")
    if not 0 <= seed < 2**63:
        raise UserError(f"--seed is {seed}; it must be from 0 to 2**63 - 1")

    from gald.analysis.explain.footprint_sheet import footprint_sheet, measure_scene
    from gald.analysis.explain.scene import place_in, trained_scene, untrained_scene
    from gald.images.io import check_picture, read_image, write_image

    image = read_image(picture)
    pixel = place_in(image, at, picture)
    check_picture(out)
    scene = (
        trained_scene(image, pixel, checkpoint) if checkpoint else untrained_scene(image, pixel, ga, ld, reduce, seed)
    )
    found = measure_scene(scene)
    console().print(table({name: numbers for name, (_, numbers) in found.items()}, scene.stride))
    for note in scene.notes:
        print(note)
    write_image(footprint_sheet(scene, found), out)
    print(f"sheet: {out}")


def table(found: Mapping[str, Reach], stride: float) -> Table:
    """A line for each block; ``stride`` makes pixels of positions."""
    lines = Table(title="where the gradient of one place lies")
    lines.add_column("block")
    for heading in (
        "on the place\n%",
        "90 % of the summed\ngradient, pixels",
        "half of the rest on\n% of places",
        "above 1e-3 of the largest\nelsewhere, % of places",
    ):
        lines.add_column(heading, justify="right")
    for name, reach in found.items():
        numbers = (100 * reach.own, reach.radius * stride, 100 * reach.half, 100 * reach.strong)
        lines.add_row(name, *(f"{number:.{digits}f}" for number, digits in zip(numbers, (1, 0, 2, 2), strict=True)))
    return lines
