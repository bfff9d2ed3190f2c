"""What evaluation costs: ``python benchmarks/evaluation.py [--out results/evaluation.csv]``.

1. matrix: the confusion matrix of a pair of 1024x2048 label maps with 19 classes, against torchmetrics and class loops
2. boundary: Boundary IoU and boundary F-scores of that pair, and all of it together, against class loops
3. memory: peak of a small network's evaluation, whole, in tiles, at several scales with the mirror image

Both sides of a ratio run in turns in one process, on the int64 maps that ``argmax`` and the loader give, and are
compared before. The memory is of a fresh process for each case, above what it holds before.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the gald of this checkout, installed or not

import numpy as np
import torch
import torch.nn.functional as F
from parts import loops
from parts.rows import Row, compared, machine, print_tables, progress, write_csv
from torch import Tensor, nn
from torchmetrics.classification import MulticlassConfusionMatrix

from gald.analysis.profiling.memory import Peak, peaks_in_child, tell_peaks
from gald.analysis.profiling.timing import Work, in_turns
from gald.engine.inference import compose
from gald.metrics import BoundaryF, BoundaryIoU, MeanIoU
from gald.metrics.boundary import boundary_width
from gald.metrics.iou import LabelMetric
from gald.models.segmenter import Segmenter

CLASSES = 19

# ---- the pair of label maps


def areas(generator: torch.Generator, size: tuple[int, int], classes: int, cell: int) -> Tensor:
    """Areas of some cells' size, (H, W): at each pixel the highest of smooth random fields."""
    grid = [1, 1, *(-(-side // cell) for side in size)]
    best, labels = torch.full(size, -torch.inf), torch.zeros(size, dtype=torch.int64)
    for each in range(classes):
        field = F.interpolate(torch.randn(grid, generator=generator), size, mode="bicubic")[0, 0]
        labels[field > best] = each
        best = torch.maximum(best, field)
    return labels


def pair(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Prediction and truth, (1, H, W) int64: shifted by some pixels, wrong in places, about 8 % ignored."""
    generator, cell = torch.Generator().manual_seed(0), max(4, size[0] // 10)
    truth = areas(generator, size, CLASSES, cell)
    wrong = areas(generator, size, CLASSES, max(2, cell // 4))
    prediction = torch.where(areas(generator, size, 5, cell // 2) == 0, wrong, truth.roll((2, 3), (0, 1)))
    truth[areas(generator, size, 12, cell // 2) == 0] = loops.IGNORED
    return prediction[None], truth[None]


# ---- 1. the confusion matrix


def ours(metric: LabelMetric, prediction: Tensor, truth: Tensor) -> Callable[[], dict[str, float]]:
    def work() -> dict[str, float]:
        metric.reset()
        metric.update(prediction, truth)
        return metric.compute()

    return work


def theirs(prediction: Tensor, truth: Tensor) -> Callable[[], Tensor]:
    """torchmetrics without its checks of values, which is faster."""
    metric = MulticlassConfusionMatrix(CLASSES, ignore_index=loops.IGNORED, validate_args=False)

    def work() -> Tensor:
        metric.reset()
        metric.update(prediction, truth)
        return metric.compute()

    return work


def matrix_rows(size: tuple[int, int], repetitions: int) -> list[Row]:
    prediction, truth = pair(size)
    maps = prediction[0].numpy(), truth[0].numpy()
    metric = MeanIoU(CLASSES)
    gald = ours(metric, prediction, truth)
    scores = gald()
    baselines: dict[str, Callable[[], Tensor | np.ndarray]] = {
        "torchmetrics MulticlassConfusionMatrix": theirs(prediction, truth),
        "a count for each pair of classes": lambda: loops.matrix_by_cells(*maps, CLASSES),
        "np.histogram of each true class": lambda: loops.matrix_by_histograms(*maps, CLASSES),
        "bincount copied cell by cell": lambda: loops.matrix_by_index(*maps, CLASSES),
    }
    apart = {
        name: float(np.abs(np.asarray(work()) - metric.confusion.numpy()).max()) for name, work in baselines.items()
    }
    name = "two masks a class (IoU alone)"
    apart[name] = largest(loops.ious_by_masks(*maps, CLASSES), [scores[f"iou/{each}"] for each in range(CLASSES)])
    works: dict[str, Work] = {**baselines, name: lambda: loops.ious_by_masks(*maps, CLASSES)}
    return against("matrix", "MeanIoU", size, gald, works, apart, repetitions)


def largest(first: list[float], second: list[float]) -> float:
    """The largest difference; both must be NaN at the same places."""
    assert [math.isnan(value) for value in first] == [math.isnan(value) for value in second]
    return max(abs(a - b) for a, b in zip(first, second, strict=True) if not math.isnan(a))


def against(
    part: str,
    variant: str,
    size: tuple[int, int],
    gald: Work,
    works: dict[str, Work],
    apart: dict[str, float],
    repetitions: int,
) -> list[Row]:
    """A row for each baseline, all of them and ours in turns."""
    progress(f"{part}: {variant}")
    times = in_turns({"gald": gald, **works}, repetitions, progress)
    case = f"{size[0]}x{size[1]}, {CLASSES} classes"
    return [
        {"part": part, "case": case, "baseline": "what the row names", "variant": f"{variant}, against {name}"}
        | compared(times[name], times["gald"])
        | {"difference": apart[name]}
        for name in works
    ]


# ---- 2. boundaries


def boundary_rows(size: tuple[int, int], repetitions: int) -> list[Row]:
    prediction, truth = pair(size)
    maps = prediction[0].numpy(), truth[0].numpy()
    width, metrics = boundary_width(*size), [MeanIoU(CLASSES), BoundaryIoU(CLASSES), BoundaryF(CLASSES)]
    tolerances = metrics[2].tolerances
    matrix, regions, contours = (ours(metric, prediction, truth) for metric in metrics)

    def loop(steps: bool) -> list[float]:
        return loops.boundary_ious(*maps, CLASSES, width, steps)

    def scores() -> list[float]:
        return [value for each in loops.boundary_fs(*maps, CLASSES, tolerances) for value in each]

    names, found = range(CLASSES), regions() | contours()
    region = [found[f"boundary_iou/{each}"] for each in names]
    contour = [found[f"boundary_f/{tolerance}px/{each}"] for tolerance in tolerances for each in names]
    progress("boundary: the loops once, to compare")
    slow, quick = "erosions a class, as published", "a distance transform a class"
    apart = {slow: largest(loop(True), region), quick: largest(loop(False), region), "both": largest(scores(), contour)}
    rows = against("boundary", f"BoundaryIoU, d = {width}", size, regions,
                   {slow: lambda: loop(True), quick: lambda: loop(False)}, apart, repetitions)  # fmt: skip
    rows += against("boundary", f"BoundaryF, {tolerances} px", size, contours,
                    {quick: scores}, {quick: apart["both"]}, repetitions)  # fmt: skip

    def all_ours() -> None:
        matrix(), regions(), contours()

    name = "histograms and distance transforms"

    def all_loops() -> None:
        loops.matrix_by_histograms(*maps, CLASSES), loop(False), scores()

    apart = {name: max(apart.values())}
    return rows + against("boundary", "matrix and both", size, all_ours, {name: all_loops}, apart, repetitions)


# ---- 3. memory

WAYS = {  # name -> what the inference is told
    "whole": {},
    "tiles of 769": {"tile": (769, 769)},
    "whole, mirrored": {"flip": True},
    "scales 0.75 1 1.25, mirrored": {"scales": (0.75, 1.0, 1.25), "flip": True},
    "tiles of 769, scales 0.75 1 1.25, mirrored": {"tile": (769, 769), "scales": (0.75, 1.0, 1.25), "flip": True},
}
SIDES = ("gald", "all views kept")  # the second needs more memory


def network() -> nn.Module:
    """0.5 M weights, so that the maps are what counts, and no picture of ImageNet is needed."""
    torch.manual_seed(0)
    return Segmenter("resnet10t", CLASSES, ga="cgnl", channels=64, output_stride=16, aux=False).eval()


def all_kept(way: dict) -> Callable[[Tensor], Tensor]:
    """The plain form: the probabilities of every view, then their mean."""
    model = network()
    at_once = compose(model, tile=way.get("tile"))

    def predict(images: Tensor) -> Tensor:
        size, views = images.shape[2:], []
        for scale in way.get("scales", (1.0,)):
            scaled = F.interpolate(images.float() / 255, [round(side * scale) for side in size], mode="bilinear")
            both = [at_once(scaled), at_once(scaled.flip(-1)).flip(-1)] if way.get("flip") else [at_once(scaled)]
            views += [F.interpolate(each, size, mode="bilinear").softmax(1) for each in both]
        return torch.stack(views).mean(0)

    return predict


@torch.inference_mode()
def child(way: str, height: str, width: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    size = (int(height), int(width))

    def prepare(side: str) -> Work:
        images = torch.randint(256, (1, 3, *size), dtype=torch.uint8)
        told = WAYS[way]
        predict = compose(network(), **told) if side == "gald" else all_kept(told)
        return lambda: predict(images).argmax(1)

    tell_peaks({side: lambda side=side: prepare(side) for side in SIDES})


def peaks(way: str, size: tuple[int, int], patience: float) -> dict[str, Peak]:
    words = [way, *map(str, (*size, torch.get_num_threads()))]
    return peaks_in_child([sys.executable, str(Path(__file__).resolve()), "--child", *words], SIDES, patience)


def memory_rows(sizes: list[tuple[int, int]], patience: float) -> list[Row]:
    return [memory_row(way, size, patience) for size in sizes for way in WAYS]


def memory_row(way: str, size: tuple[int, int], patience: float) -> Row:
    progress(f"memory: {size[0]}x{size[1]}, {way}")
    found = peaks(way, size, patience)
    one_map = CLASSES * math.prod(size) * 4 / 2**20
    notes = [f"a map of logits has {one_map:.0f} MiB"]
    notes += [f"{side} {peak.why}" for side, peak in found.items() if peak.why]
    return {
        "part": "memory",
        "case": f"{size[0]}x{size[1]}, {CLASSES} classes",
        "baseline": SIDES[1],
        "variant": way,
        "variant_peak_mib": found["gald"].mib,
        "baseline_peak_mib": found[SIDES[1]].mib,
        "note": "; ".join(notes),
    }


# ---- all of it


def parts(toy: bool, repetitions: int, patience: float) -> dict[str, Callable[[], list[Row]]]:
    """Name -> the part; ``toy`` runs the same at sizes of which no number means anything."""
    size, sizes = ((48, 96), [(32, 64)]) if toy else ((1024, 2048), [(1024, 2048), (2048, 4096)])
    return {
        "matrix": lambda: matrix_rows(size, 1 if toy else 5 * repetitions),
        "boundary": lambda: boundary_rows(size, 1 if toy else repetitions),
        "memory": lambda: memory_rows(sizes, patience),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(parts(True, 1, 1.0))
    parser.add_argument("--part", nargs="+", choices=names, default=names)
    parser.add_argument("--out", type=Path, help="also write the numbers there, as CSV")
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice if not given")
    parser.add_argument("--repetitions", type=int, default=3, help="of the boundary part; five times as many of matrix")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds to measure the memory of a row in")
    parser.add_argument("--toy", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)  # for the memory of one way
    options = parser.parse_args(arguments)
    if options.child:
        child(*options.child)
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    about = machine()
    chosen = parts(options.toy, options.repetitions, options.patience)
    rows = [row for name in options.part for row in chosen[name]()]
    print_tables(rows, about)
    if options.out:
        write_csv(options.out, rows, about)
        progress(f"wrote {options.out}")


if __name__ == "__main__":
    main()
