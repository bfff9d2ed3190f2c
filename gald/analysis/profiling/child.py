"""``python -P -m gald.analysis.profiling.child TASK`` (JSON): a fresh process that measures the memory of a block."""

import json
import sys
from functools import partial

import torch

from gald.analysis.profiling.block import KINDS, BlockConfig, work_of
from gald.analysis.profiling.memory import tell_peaks


def main(text: str) -> None:
    """Measure in this process what `gald.analysis.profiling.block.peaks` asks for."""
    told = json.loads(text)
    torch.set_num_threads(told["threads"])
    config = BlockConfig(**{**told["config"], "size": tuple(told["config"]["size"])})
    tell_peaks({kind: partial(work_of, kind, config) for kind in KINDS})


if __name__ == "__main__":
    main(sys.argv[1])
