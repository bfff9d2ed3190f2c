"""The network in the box: trained weights that come with the package. Their card is README.md, beside this file."""

from __future__ import annotations

from pathlib import Path

STREETS = Path(__file__).with_name("streets.safetensors")
"""Streets by day into CamVid's 11 classes, as written by ``python tools/bundle.py``."""

LONGEST = 840  # pixels: it learned pictures of 480x360 at up to 1.75 times their size


def scale_for(height: int, width: int) -> float:
    """By how much a picture is shrunk for the network in the box, so that things are as large as those it learned."""
    return min(1.0, LONGEST / max(height, width))
