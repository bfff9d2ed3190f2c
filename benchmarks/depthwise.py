"""What a training step on a CPU gains by our gradients of depth-wise convolutions, and by memory that is kept:
``python benchmarks/depthwise.py [--out results/depthwise.csv]``.

1. memory: one step before glibc keeps freed memory, and after; in this order, since it can't be undone
2. gradients: a step with torch's gradients against one with those of gald/block/depthwise.py, in turns

Meant for an idle machine (the load is written beside the numbers).
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the gald of this checkout, installed or not

import torch
from parts.rows import Row, compared, machine, print_tables, progress, write_csv
from torch import Tensor, nn

from gald.analysis.profiling.timing import Times, in_turns, seconds_of
from gald.block.depthwise import train_depthwise_fast
from gald.engine.losses import segmentation_loss
from gald.models.segmenter import Segmenter
from gald.support.device import keep_freed_memory

BACKBONES = ("tf_efficientnet_lite0", "mobilenetv3_large_100", "convnext_pico")
CLASSES = 11


def network(backbone: str) -> nn.Module:
    torch.manual_seed(0)
    stride = 32 if backbone.startswith("convnext") else 16
    built = Segmenter(backbone, CLASSES, ga="psp", ld="mask", channels=128, output_stride=stride, aux=False)
    return built.to(memory_format=torch.channels_last).train()


def step(of: nn.Module, size: tuple[int, int], low: bool) -> Callable[[], None]:
    """Forward, loss, backward on eight random crops."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (8, 3, *size), dtype=torch.uint8, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    target = torch.randint(CLASSES, (8, *size), generator=generator)

    def run() -> None:
        of.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            loss = segmentation_loss(of(images), target, min_kept=25_000)["loss"]
        loss.backward()

    return run


def memory_row(size: tuple[int, int], repetitions: int) -> Row:
    progress("memory")
    run = step(network(BACKBONES[0]), size, low=True)
    run()
    before = Times(tuple(seconds_of(run) for _ in range(repetitions)))
    keep_freed_memory()
    run()
    after = Times(tuple(seconds_of(run) for _ in range(repetitions)))
    case = f"{BACKBONES[0]}, bf16, 8 crops of {size[0]}x{size[1]}"
    names = {"part": "memory", "case": case, "baseline": "as glibc does", "variant": "freed memory is kept"}
    return {**names, **compared(before, after), "note": "one after the other"}


def gradient_rows(sizes: list[tuple[int, int]], repetitions: int) -> list[Row]:
    keep_freed_memory()
    return [
        gradient_row(backbone, size, low, repetitions)
        for backbone in BACKBONES
        for size in sizes
        for low in (True, False)
    ]


def gradient_row(backbone: str, size: tuple[int, int], low: bool, repetitions: int) -> Row:
    case = f"{backbone}, {'bf16' if low else 'float32'}, 8 crops of {size[0]}x{size[1]}"
    progress(f"gradients: {case}")
    plain = network(backbone)
    ours = copy.deepcopy(plain)
    train_depthwise_fast(ours)
    works = {"torch": step(plain, size, low), "gald": step(ours, size, low)}
    for work in works.values():
        work()
    apart = float((slopes(plain) - slopes(ours)).norm() / slopes(plain).norm())
    times = in_turns(works, repetitions, progress)
    names = {"part": "gradients", "case": case, "baseline": "torch's gradients", "variant": "gald/block/depthwise.py"}
    return {
        **names,
        **compared(times["torch"], times["gald"]),
        "difference": apart,
        "note": "of all gradients, as a share of their norm",
    }


def slopes(of: nn.Module) -> Tensor:
    """All its gradients in a row."""
    return torch.cat([each.grad.flatten() for each in of.parameters() if each.grad is not None])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the numbers there, as CSV")
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice if not given")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--toy", action="store_true", help="tiny sizes, to see that it runs")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    about = machine()
    sizes = [(32, 48)] if options.toy else [(144, 192), (288, 384)]
    repetitions = 1 if options.toy else options.repetitions
    rows = [memory_row(sizes[0], repetitions), *gradient_rows(sizes, repetitions)]
    print_tables(rows, about)
    if options.out:
        write_csv(options.out, rows, about)
        progress(f"wrote {options.out}")


if __name__ == "__main__":
    main()
