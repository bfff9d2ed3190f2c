"""The core's speed and memory, as ratios measured in one run: ``python benchmarks/core.py [--out results/core.csv]``.

1. network: the released GALD R50 at 769x769, float32 as it is, against every setting that might pay on a CPU
2. ohem: the loss that orders pixels only where it must and outside the graph, against one that sorts them all in it

The aggregations stand in aggregations.py. Meant for an idle machine (the load is written beside the numbers). Both
sides of a ratio run in turns in one process.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the gald of this checkout, installed or not

import torch
import torch.nn.functional as F
from parts.network import network_rows
from parts.rows import Row, compared, machine, print_tables, progress, write_csv
from torch import Tensor

from gald.analysis.profiling.timing import in_turns
from gald.engine.losses import ohem_cross_entropy

# ---- 2. OHEM

OHEM_CASES = {"CamVid's batch": (8, 19, 360, 480), "two crops": (2, 19, 769, 769)}


def sorting_ohem(logits: Tensor, target: Tensor, threshold: float, min_kept: int) -> Tensor:
    """The usual form: softmax over everything, all pixels sorted, the graph attached to both."""
    valid = target != 255
    if int(valid.sum()) < min_kept:
        return F.cross_entropy(logits, target, ignore_index=255)
    probability = logits.softmax(1).gather(1, target.masked_fill(~valid, 0)[:, None])[:, 0].masked_fill(~valid, 1.0)
    in_order = probability.flatten().sort().values
    limit = in_order[min_kept - 1].clamp(min=threshold)
    kept = valid & (probability <= limit)
    return F.cross_entropy(logits, target.masked_fill(~kept, 255), ignore_index=255)


def ohem_case(shape: tuple[int, int, int, int], hard: bool) -> tuple[Tensor, Tensor]:
    """Logits and labels (5 % ignored): as early in training, most pixels hard, or as late, few of them."""
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    logits = torch.randn(shape, generator=generator)
    if not hard:
        logits += 9 * F.one_hot(target, shape[1]).permute(0, 3, 1, 2)
    target[torch.rand(target.shape, generator=generator) < 0.05] = 255
    return logits, target


def ohem_rows(cases: dict[str, tuple[int, int, int, int]], repetitions: int, min_kept: int = 100_000) -> list[Row]:
    return [
        ohem_row(
            f"{name} {shape}, {'most' if hard else 'few'} pixels hard", *ohem_case(shape, hard), repetitions, min_kept
        )
        for name, shape in cases.items()
        for hard in (True, False)
    ]


def ohem_row(case: str, logits: Tensor, target: Tensor, repetitions: int, min_kept: int) -> Row:
    progress(f"ohem: {case}")
    logits.requires_grad_()

    def forward_and_backward(loss_of: Callable[[Tensor, Tensor, float, int], Tensor]) -> tuple[float, Tensor]:
        loss = loss_of(logits, target, 0.7, min_kept)
        return float(loss.detach()), torch.autograd.grad(loss, logits)[0]

    (theirs, their_gradient), (ours, our_gradient) = map(forward_and_backward, (sorting_ohem, ohem_cross_entropy))
    apart = float((their_gradient - our_gradient).abs().max() / their_gradient.abs().max())
    works = {
        "sorted in the graph": lambda: forward_and_backward(sorting_ohem),
        "gald": lambda: forward_and_backward(ohem_cross_entropy),
    }
    row: Row = {"part": "ohem", "case": case, "baseline": "sorted in the graph", "variant": "gald ohem_cross_entropy"}
    row |= compared(*in_turns(works, repetitions, progress).values()) | {"difference": abs(theirs - ours)}
    return row | {"note": f"losses {theirs:.6f} and {ours:.6f}, gradients {apart:.1e} of the largest apart"}


# ---- all of it


def parts(toy: bool, compiled: bool) -> dict[str, Callable[[], list[Row]]]:
    """Name -> the part; ``toy`` runs the same at sizes of which no time means anything."""
    if toy:
        return {
            "network": lambda: network_rows(129, 1, compiled),
            "ohem": lambda: ohem_rows({"toy": (2, 5, 12, 16)}, 1, min_kept=50),
        }
    return {
        "network": lambda: network_rows(769, 3, compiled),
        "ohem": lambda: ohem_rows(OHEM_CASES, 5),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=list(parts(True, False)), default=list(parts(True, False)))
    parser.add_argument("--out", type=Path, help="also write the numbers there, as CSV")
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice if not given")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes minutes")
    parser.add_argument("--toy", action="store_true", help="tiny sizes, to see that it runs")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    about = machine()
    chosen = parts(options.toy, not options.no_compile)
    rows = [row for name in options.part for row in chosen[name]()]
    print_tables(rows, about)
    if options.out:
        write_csv(options.out, rows, about)
        progress(f"wrote {options.out}")


if __name__ == "__main__":
    main()
