"""Pack a study's folder for results/: ``python tools/pack_study.py runs/study DATA_ROOT trainings.tar.xz``.

The archive has no checkpoints, and its counts are summed over the runs of pictures that are drawn together when
intervals are made (neighbours in a video): each sum stands at the first picture of its run, zeros at the others. Every
number and interval of the study's page comes out of them as before, and `gald study` goes on in the unpacked folder.
"""

from __future__ import annotations

import io
import json
import lzma
import sys
import tarfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the gald of this checkout, installed or not

import safetensors.torch
import torch
from torch import Tensor

from gald.analysis.statistics.bootstrap import blocks
from gald.data.registry import load_segmentation

COUNTS = "-counts.safetensors"
FOUR_BYTES = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 2, "pb": 2}]  # for int32


def summed(counts: Tensor, block: Tensor) -> Tensor:
    """Counts (N, P, K) with each block's sum at its first picture, 0 at the others."""
    result = torch.zeros_like(counts)
    for number in range(int(block.max()) + 1):
        members = (block == number).nonzero()[:, 0]
        result[members[0]] = counts[members].long().sum(0).to(counts.dtype)
    return result


def packed(path: Path, block: Tensor) -> bytes:
    """A file of counts, summed."""
    counts = safetensors.torch.load(path.read_bytes())
    return safetensors.torch.save({key: summed(each, block) for key, each in counts.items()})


def main(study: Path, root: Path, archive: Path) -> None:
    """Write the archive."""
    rows = json.loads((study / "plan.json").read_text())["rows"].values()
    name = next(iter(rows))["data"]["name"]
    block = {}
    for split in ("val", "test"):
        pairs = load_segmentation(name, root, split)
        block[split] = blocks([pairs.name(place) for place in range(len(pairs))], name)
    numbers = sorted(study.glob("*/[0-9]*/*.json"))
    counts = sorted(study.glob(f"*/[0-9]*/*{COUNTS}"), key=lambda path: (path.name, path))  # alike lie side by side
    with lzma.open(archive, "wb", filters=FOUR_BYTES) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for path in [study / "plan.json", *numbers, *counts]:
            split = path.name.removesuffix(COUNTS)
            content = packed(path, block[split]) if split in block else path.read_bytes()
            entry = tarfile.TarInfo(path.relative_to(study).as_posix())
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    print(f"{archive}: {archive.stat().st_size / 1e6:.2f} MB, {len(counts)} files of counts")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
