"""What each part costs: ``python tools/part_costs.py`` counts the table of docs/choosing.md again and writes it there.

Weights in millions, and billions of multiplications for one map of 49x49 and of 97x97, at 512 channels.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the gald of this checkout, installed or not

from gald.analysis.profiling.flops import macs
from gald.block import part_class
from gald.block.aggregation import AGGREGATORS
from gald.block.distribution import DISTRIBUTORS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "choosing.md"
CHANNELS, SIDES = 512, (49, 97)


def costs(name: str) -> list[str]:
    """Weights, then multiplications at each size, as the table writes them."""
    part = part_class((AGGREGATORS | DISTRIBUTORS)[name])(CHANNELS)
    weights = sum(parameter.numel() for parameter in part.parameters())
    counted = [macs(part, (1, CHANNELS, side, side)) for side in SIDES]
    return [f"{weights / 1e6:.2f}", *(f"{number / 1e9:.1f}" for number in counted)]


def counted_again(line: str) -> str:
    """A row of the table (name, sentence, three numbers, advice) with its numbers counted; another line as it is."""
    cells = line.split(" | ")
    name = cells[0].removeprefix("| ").strip("`")
    if len(cells) != 6 or name not in AGGREGATORS | DISTRIBUTORS:
        return line
    return " | ".join([*cells[:2], *costs(name), cells[5]])


if __name__ == "__main__":
    before = PAGE.read_text()
    after = "\n".join(map(counted_again, before.split("\n")))
    PAGE.write_text(after)
    print("nothing changed" if after == before else f"{PAGE} has new numbers")
