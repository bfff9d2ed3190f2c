"""What benchmarks' servers take. A new one is a `Server`, in a file here, and a line in `SUBMISSIONS`."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from gald.support.errors import lookup

if TYPE_CHECKING:
    from gald.engine.submission.server import Server

SUBMISSIONS: dict[str, str | Server] = {
    "cityscapes": "gald.engine.submission.png_zip:CITYSCAPES",
    "ade20k": "gald.engine.submission.png_zip:ADE20K",
    "coco_stuff": "gald.engine.submission.coco_stuff:SERVER",
}
"""Where each `Server` lies; the server itself may stand there too. The table needs no torch."""


def find_server(benchmark: str) -> Server:
    """The server of a benchmark of the table; a `UserError` names the nearest ones."""
    entry = lookup(SUBMISSIONS, benchmark, "benchmark")
    server: Server = resolve_name(entry) if isinstance(entry, str) else entry
    return server
