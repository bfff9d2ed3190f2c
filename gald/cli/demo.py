"""``gald demo``: a few minutes on a CPU, offline, that show what each stage of GALD sees: a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gald.support.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table
    from torch import Tensor

    from gald.analysis.stages import StageHeads
    from gald.data.segmentation import SegmentationDataset

# Chosen by short runs: after 100 steps on 256x128 pictures the loss on F_GA was 0.33 with psp, 0.52 with nonlocal and
# 0.56 with cgnl_rbf (on F: 0.50 to 0.55); plain cgnl gathers next to nothing, see its file.
GA = "psp"
CLASSES = 8
# On 256x128 the backbone's own field of view reaches the sky, and F tells road from water almost as well as F_GA.
SIZE = (192, 384)
BATCH = 4
STEPS = 600
RATE = 3e-3  # of AdamW, after WARM_UP steps; falls to 0
WARM_UP = 15
SHOWN = (2, 3, 5)  # test pictures in the figure, chosen for their skies (cold, warm, cold), not for what was found
STAGES = {
    "F": "the backbone's feature",
    "F_GA": "after global aggregation",
    "F_GALD": "after local distribution",
}
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
    show(out, steps, seed)


def show(out: Path, steps: int, seed: int, size: tuple[int, int] = SIZE, test_pictures: int = 64) -> None:
    """Do what `demo` says, on pictures of ``size`` (height, width)."""
    _check(out, steps, seed)
    import torch

    from gald.analysis.stages import StageHeads
    from gald.data.datasets.synthetic import synthetic
    from gald.images.io import write_image
    from gald.support.files import write_json
    from gald.support.tables import console

    screen = console(120)
    threads = torch.get_num_threads()
    machine = f"cpu with {threads} thread{'s' * (threads > 1)}, torch {torch.__version__}"
    pictures = f"{BATCH} pictures of {size[1]}x{size[0]}"
    screen.print(f"seed {seed}, {steps} steps of {pictures}; {machine}", highlight=False)

    torch.manual_seed(seed)
    # channels_last: a sixth less time in this network's convolutions (torch 2.15, Zen 4)
    network = StageHeads(CLASSES, ga=GA).to(memory_format=torch.channels_last)
    _train(network, size, steps, seed)
    network.eval()
    test = synthetic(split="test", size=size, classes=CLASSES, length=test_pictures)
    scores = _measure(network, test)

    screen.print(table(scores, test_pictures, plain=not screen.is_terminal))
    screen.print(changes(scores), highlight=False)
    screen.print(caution(steps), highlight=False)
    write_image(_figure(network, test, scores), out / "demo.png")
    about = {"seed": seed, "steps": steps, "batch": BATCH, "size": size, "ga": GA, "ld": "mask", "machine": machine}
    write_json(out / "demo.json", {**about, "scores": scores})
    print(f"picture: {out / 'demo.png'}\nnumbers: {out / 'demo.json'}")
    print("next, a street photo of your own, by day: gald predict PHOTO --out predictions")


def _check(out: Path, steps: int, seed: int) -> None:
    """Refuse what would fail after the training, before it."""
    import tempfile

    if steps < 1 or seed < 0:
        raise UserError(f"steps is {steps} and seed is {seed}; steps must be at least 1, seed at least 0")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise UserError(f"cannot write into {out}: {error.strerror}; choose another --out") from None


def _train(network: StageHeads, size: tuple[int, int], steps: int, seed: int) -> None:
    """Sum the heads' cross-entropies, rare classes weighted up; every picture is new."""
    import torch

    from gald.data.datasets.synthetic import synthetic
    from gald.engine.losses import cross_entropy
    from gald.engine.tasks.segmentation import class_weights
    from gald.support.progress import Bar

    pairs = synthetic(size=size, classes=CLASSES, length=steps * BATCH, seed=seed)
    weight = class_weights(synthetic(size=size, classes=CLASSES, length=64, seed=seed), show_progress=False).sqrt()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    network.train()
    with Bar("train", steps, unit="pictures", per_step=BATCH) as bar:
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1, (step + 1) / WARM_UP) * (1 - step / steps) ** 0.9
            batch = [pairs[step * BATCH + i] for i in range(BATCH)]
            images, masks = (torch.stack([torch.as_tensor(each[key]) for each in batch]) for key in ("image", "mask"))
            logits = network(images)
            losses = torch.stack([cross_entropy(each, masks.long(), weight=weight) for each in logits.values()])
            optimizer.zero_grad()
            losses.sum().backward()  # type: ignore[no-untyped-call]  # torch's own is not typed
            optimizer.step()
            bar.advance("loss " + " ".join(f"{loss:.2f}" for loss in losses.tolist()))


def _measure(network: StageHeads, pairs: SegmentationDataset) -> dict[str, dict[str, float]]:
    """What `gald.metrics` says of each head, over all pictures."""
    import torch

    from gald.metrics import segmentation_metrics
    from gald.support.progress import track

    names = [label.name for label in pairs.labels]
    metrics = {stage: segmentation_metrics(len(names), names) for stage in STAGES}
    with torch.inference_mode():
        for i in track(range(len(pairs)), "measure", len(pairs)):
            image, mask = (torch.as_tensor(pairs[i][key])[None] for key in ("image", "mask"))
            for stage, logits in network(image).items():
                metrics[stage].update(logits.argmax(1), mask.long())
    return {stage: {key: float(v) for key, v in each.compute().items()} for stage, each in metrics.items()}


def table(scores: dict[str, dict[str, float]], pictures: int, plain: bool) -> Table:
    """One column a head, percent; the best of each row is bold."""
    from rich import box
    from rich.table import Table

    from gald.support.tables import percent

    sheet = Table(title=f"{pictures} pictures not seen in training, percent", box=None if plain else box.SIMPLE_HEAD)
    sheet.add_column("head on")
    for stage in STAGES:
        sheet.add_column(stage, justify="right", min_width=8)
    rows = [MEANS, {f"IoU {name}": f"iou/{name}" for name in TWINS}, {f"IoU {name}": f"iou/{name}" for name in THINGS}]
    for number, section in enumerate(rows):
        if number:
            sheet.add_row()
        for title, key in section.items():
            values = [scores[stage][key] for stage in STAGES]
            best = "" if plain else "[bold]"
            sheet.add_row(title, *((best if value == max(values) else "") + percent(value) for value in values))
    return sheet


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


def _figure(network: StageHeads, pairs: SegmentationDataset, scores: dict[str, dict[str, float]]) -> Tensor:
    """Three test pictures: picture, truth, the three predictions, the mask."""
    import torch

    from gald.block.layers import resize
    from gald.images.figure import Column, figure, heat
    from gald.images.io import colorize
    from gald.support.tables import percent

    samples = [pairs[i] for i in SHOWN]
    images = torch.stack([torch.as_tensor(each["image"]) for each in samples])
    with torch.inference_mode():
        logits = network(images)
        masks = resize(network.mask(images).mean(1, keepdim=True), (images.shape[2], images.shape[3]))[:, 0]
    colors = [label.color for label in pairs.labels]
    low, high = masks.min().item(), masks.max().item()
    columns = [
        Column("picture", ("drawn by the computer,", "not seen in training"), list(images)),
        Column(
            "truth",
            ("road and water look alike,", "only the sky tells which"),
            [colorize(each["mask"], colors) for each in samples],
        ),
    ]
    for stage, what in STAGES.items():
        found = f"mIoU {percent(scores[stage]['miou'])}   boundary F {percent(scores[stage]['boundary_f/3px'])}"
        pictures = [colorize(each, colors) for each in logits[stage].argmax(1)]
        columns.append(Column(f"from {stage}", (what, found), pictures))
    heats = [heat(each, low, high) for each in masks]
    columns.append(
        Column("mask M", ("F_GALD = M F_GA + F_GA", "mean over the channels"), heats, (f"{low:.3f}", f"{high:.3f}"))
    )
    return figure(columns, [(label.name, label.color) for label in pairs.labels])
