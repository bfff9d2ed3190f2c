"""What benchmarks' servers take: a table of formats. A new one is a file here and a line in the table."""

from __future__ import annotations

from gald.engine.submission import ade20k, cityscapes, coco_stuff
from gald.engine.submission.server import Map, Server

SUBMISSIONS: dict[str, Server] = {
    "cityscapes": cityscapes.SERVER,
    "ade20k": ade20k.SERVER,
    "coco_stuff": coco_stuff.SERVER,
}

__all__ = ["SUBMISSIONS", "Map", "Server"]
