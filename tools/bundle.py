"""Put a trained segmentation network into the package: ``python tools/bundle.py runs/streets/last.pt``.

Halves the weights (float16), forgets this machine's paths and what only --resume needs, and writes what
tests/models/test_pretrained.py compares with: the label map of a drawn picture, and the file's hash. The hash is
printed, for the card, gald/models/pretrained/README.md, which is to be written anew: ``gald evaluate --data.root
CAMVID`` measures the file itself.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the gald of this checkout, installed or not

import torch
from torch import Tensor

import gald
from gald.config.settings import SegmentationConfig
from gald.data.datasets.synthetic import synthetic
from gald.engine import checkpoint
from gald.images.io import write_label
from gald.models.pretrained import STREETS
from gald.support.errors import UserError, sentence

LARGEST = 20e6  # bytes
GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden" / "streets.png"
GOLDEN_HASH = GOLDEN.with_suffix(".sha256")


def bundled(content: checkpoint.Checkpoint) -> checkpoint.Checkpoint:
    """The same network in float16. Its auxiliary head stays, for those who train it on; it is measured on test."""
    run = content.config
    if not isinstance(run, SegmentationConfig):
        raise UserError("this is no segmentation network")
    config = replace(run, model=run.model.bare(), data=replace(run.data, root=None, val_split="test"), init=None)
    weights = {name: halved(name, value) for name, value in content.weights.items()}
    return replace(content, config=config, weights=weights, optimizer=None)


def halved(name: str, value: Tensor) -> Tensor:
    """In float16; counters stay as they are. What is below 3e-8 becomes 0: variances have an epsilon above that."""
    if not value.is_floating_point():
        return value
    half = value.to(torch.float16)
    lost = ~half.isfinite()
    if lost.any():
        raise UserError(f"{name} holds {int(lost.sum())} values that are not finite, or not in float16")
    return half


def drawn() -> Tensor:
    """A picture that is the same everywhere, uint8 (3, H, W)."""
    return torch.as_tensor(synthetic(split="test", size=(180, 240), length=1)[0]["image"])


def label_map(path: Path) -> Tensor:
    """What the network in a file sees in `drawn`, uint8 (H, W)."""
    with torch.inference_mode():
        found: Tensor = gald.load(path)(drawn()[None])["out"].argmax(1)[0].to(torch.uint8)
    return found


def main() -> None:
    """Read, halve, write, say what came of it."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("checkpoint", type=Path)
    arguments.add_argument("--out", type=Path, default=STREETS)
    told = arguments.parse_args()
    content = bundled(checkpoint.load(told.checkpoint))
    size = sum(each.numel() * each.element_size() for each in content.weights.values())
    if size > LARGEST:
        raise UserError(f"its weights are {size / 1e6:.1f} MB; the package takes {LARGEST / 1e6:.0f}")
    checkpoint.save(told.out, content)
    written = hashlib.sha256(told.out.read_bytes()).hexdigest()
    if told.out.resolve() == STREETS.resolve():
        write_label(label_map(STREETS), GOLDEN)
        GOLDEN_HASH.write_text(written)
    print(f"{told.out}: {size / 1e6:.1f} MB, sha256 {written}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"bundle: {sentence(error)}")
