"""The network in the box: trained weights that come with the package. Their card is README.md, beside this file."""

from pathlib import Path

STREETS = Path(__file__).with_name("streets.safetensors")
"""Streets by day into CamVid's 11 classes, as written by ``python tools/bundle.py``."""

LONG = 720  # pixels of a picture's longer side: in the middle of what it learned, 480x360 at 0.9 to 2.2 times that
MOST = 1.5  # as much as it was measured with


def scale_for(height: int, width: int) -> float:
    """By how much a picture is resized for the network in the box, so that things are as large as those it learned."""
    return min(MOST, LONG / max(height, width))
