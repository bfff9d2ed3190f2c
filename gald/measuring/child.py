"""``python -P -m gald.measuring.child CASE`` (JSON): the fresh process in which the memory of a block is measured."""

from __future__ import annotations

import json
import sys
from functools import partial

import torch

from gald.measuring.block import KINDS, Case, work_of
from gald.measuring.memory import tell_peaks


def main(text: str) -> None:
    """Measure in this process what :func:`gald.measuring.block.peaks` asks for."""
    told = json.loads(text)
    torch.set_num_threads(told["threads"])
    case = Case(**{**told["case"], "size": tuple(told["case"]["size"])})
    tell_peaks({kind: partial(work_of, kind, case) for kind in KINDS})


if __name__ == "__main__":
    main(sys.argv[1])
