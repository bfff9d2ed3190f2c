"""``gald demo``: a few minutes on a CPU, offline, that show what each stage of GALD sees: a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from gald.support.tables import console, percent

if TYPE_CHECKING:
    from gald.analysis.explain.demo import Demo

STEPS = 600
STAGES = ("F", "F_GA", "F_GALD")
MEANS = {"mIoU": "miou", "boundary F at 3 px": "boundary_f/3px", "IoU of objects under 32x32": "iou_small"}
TWINS, THINGS = ("road", "water"), ("pole", "sign", "person", "car")


def demo(out: Path = Path("gald-demo"), steps: int = STEPS, seed: int = 0) -> None:
    """Train a small network here and now, and see what GA and LD each add: a table and a picture.

    One network learns streets that are drawn as it goes (no download), with a head of one form on each stage: on the
    backbone's feature F, on the globally aggregated F_GA and on the locally distributed F_GALD. It is then measured on
    pictures it has not seen. About three minutes on two CPU cores; the same seed gives the same numbers on one machine
    (with another number of threads they differ by up to a point and a half for a class).

    Args:
        out: Folder for demo.png and demo.json.
        steps: Training steps of 4 pictures.
        seed: Of the weights and of the training pictures; the test pictures stay the same.

    """
    from gald.analysis.explain.demo import Demo

    run(Demo(out, steps, seed))


def run(demo: Demo) -> None:
    """Run it and tell what came of it."""
    from gald.analysis.explain.demo import BATCH

    screen = console()
    pictures = f"{BATCH} pictures of {demo.size[1]}x{demo.size[0]}"
    screen.print(f"seed {demo.seed}, {demo.steps} steps of {pictures}; {demo.machine}", highlight=False)
    scores = demo.run()
    screen.print(table(scores, demo.pictures, plain=not screen.is_terminal))
    screen.print(changes(scores), highlight=False)
    screen.print(caution(demo.steps), highlight=False)
    print(f"picture: {demo.out / 'demo.png'}\nnumbers: {demo.out / 'demo.json'}")
    print("next, a street photo of your own, by day: gald predict PHOTO --out predictions")


def table(scores: dict[str, dict[str, float]], pictures: int, plain: bool) -> Table:
    """One column a head, percent; the best of each row is bold."""
    lines = Table(title=f"{pictures} pictures not seen in training, percent", box=None if plain else box.SIMPLE_HEAD)
    lines.add_column("head on")
    for stage in STAGES:
        lines.add_column(stage, justify="right", min_width=8)
    sections = [MEANS, *({f"IoU {name}": f"iou/{name}" for name in names} for names in (TWINS, THINGS))]
    for number, section in enumerate(sections):
        if number:
            lines.add_row()
        for title, key in section.items():
            values = [scores[stage][key] for stage in STAGES]
            best = "" if plain else "[bold]"
            lines.add_row(title, *((best if value == max(values) else "") + percent(value) for value in values))
    return lines


def changes(scores: dict[str, dict[str, float]]) -> str:
    """What each step changed, in points, in words made of the numbers alone."""
    lines = []
    for what, before, after in (("Global aggregation", "F", "F_GA"), ("Local distribution", "F_GA", "F_GALD")):
        points = [(name, round(100 * (scores[after][key] - scores[before][key]), 1)) for name, key in MEANS.items()]
        # + 0.0: no "-0.0"
        said = "; ".join(f"{name} {'n/a' if value != value else f'{value + 0.0:+.1f}'}" for name, value in points)
        lines.append(f"{what} ({before} to {after}), in points: {said}.")
    return "\n".join(lines)


def caution(steps: int) -> str:
    """What the numbers can't bear: a network that is far from done, or one seed."""
    few = f"Only {steps} steps: the network isn't done (it takes {STEPS} by itself). " if steps < STEPS else ""
    return few + "One seed, one small network: try --seed 1, the numbers move by a point."
