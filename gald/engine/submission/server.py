"""What differs from one benchmark's server to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gald.data.labels import Label
from gald.data.segmentation import SegmentationDataset


@dataclass(frozen=True)
class Map:
    """A finished label map: the picture's name, the 8-bit PNG of the server's ids, the picture's (height, width)."""

    name: str
    file: Path
    size: tuple[int, int]


# walks through items, in words what for: with a progress bar, or until somebody wishes to stop
Watch = Callable[[Sequence[Any], str], Iterator[Any]]
# maps and split to the bytes of the archive that a server takes
Pack = Callable[[Sequence[Map], str, Watch], bytes]
# archive, maps, split, allowed ids to the ids in the archive, which is opened anew; what is wrong there is a UserError
Check = Callable[[Path, Sequence[Map], str, frozenset[int], Watch], set[int]]


@dataclass(frozen=True)
class Server:
    """A benchmark's server."""

    splits: tuple[str, ...]
    """What can be predicted for it; the first is what it ranks."""
    pairs: Callable[[Path, str], SegmentationDataset]
    """The pictures of a split. What packing would lack is refused here too, before the work."""
    classes: Callable[[Sequence[Label]], tuple[Label, ...]]
    """The server's class for each train id; several may become one."""
    pack: Pack
    check: Check
    page: str
    """Where the archive is uploaded."""
    limit: int | None = None
    """The largest archive it takes, in megabytes of 10^6 bytes, where that is known."""
