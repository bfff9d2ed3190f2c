"""The footprints of several blocks side by side, on the picture they were measured on."""

from collections.abc import Mapping

from torch import Tensor

from gald.analysis.explain.footprint import Reach, footprint, reach
from gald.analysis.explain.scene import Scene
from gald.images.figure import GAP, below, color_bar, framed, grid, panel, paragraph
from gald.images.heatmap import blended_heat, log_levels, mark_place, paint_levels
from gald.images.size import resized
from gald.support.progress import track

WIDTH = 1260  # pixels: what a page shows about as it is, so that the letters can be read
LETTERS, SMALL = 18, 13
FLOOR = 1e-3  # of the largest strength elsewhere: the lowest colour
READING = (
    "Colour: the size of d out(place) / d in(position) over all channels, relative to the largest elsewhere than at "
    f"the place itself, logarithmic; grey: below {FLOOR:g}. White, in the ring: the place itself, off the scale.",
    "Own: the place's share of the summed gradient. Half of the rest: the share of the other places, the strongest "
    "first, that hold half of what is left.",
)


def measure_scene(scene: Scene) -> dict[str, tuple[Tensor, Reach]]:
    """For each block the strengths (h, w) of its footprint, and these in numbers."""
    found: dict[str, tuple[Tensor, Reach]] = {}
    for name in track(scene.blocks, "footprint", len(scene.blocks), unit="blocks"):
        strength = footprint(scene.blocks[name].eval().requires_grad_(False), scene.features, scene.place)
        found[name] = (strength, reach(strength, scene.place))
    return found


def footprint_sheet(scene: Scene, found: Mapping[str, tuple[Tensor, Reach]]) -> Tensor:
    """The picture and a painted one for each block, the colour scale, and how to read it all."""
    side = (WIDTH - GAP) // max(2, min(len(found) + 1, 5)) - GAP  # fewer pictures are larger
    factor = side / max(scene.image.shape[1:])
    small, cell = resized(scene.image, factor), scene.stride * factor
    size = f"{scene.image.shape[2]}x{scene.image.shape[1]} pixels"
    panels = [panel("picture", [size], [mark_place(small, scene.place, cell)], LETTERS)]
    for name, (strength, numbers) in found.items():
        drawn = paint_levels(small, log_levels(strength, scene.place, FLOOR)[0], scene.place, cell)
        panels.append(panel(name, [_in_short(numbers)], [mark_place(drawn, scene.place, cell)], LETTERS))
    widest = max(drawn.shape[2] for drawn in panels)
    pictures = grid(panels, max(1, (WIDTH - GAP) // (widest + GAP)))
    width = max(pictures.shape[2], WIDTH // 2)
    bar = color_bar((f"{FLOOR:g}", "largest elsewhere"), min(460, width), SMALL, blended_heat)
    words = [paragraph(words, width, SMALL) for words in (*READING, scene.origin, *scene.notes)]
    return framed(below([pictures, bar, below(words, gap=2)]))


def _in_short(numbers: Reach) -> str:
    """The numbers below a name."""
    if numbers.half == 0:
        return "hears itself alone"
    return f"own {_percent(numbers.own)}, half of the rest: {_percent(numbers.half)}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.3g} %"
