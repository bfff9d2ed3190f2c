"""What differs from one benchmark's server to the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gald.data.labels import Label
from gald.data.segmentation import SegmentationDataset


@dataclass(frozen=True)
class LabelMapFile:
    """A finished label map: the picture's name, the 8-bit PNG of the server's ids, the picture's (height, width)."""

    name: str
    file: Path
    size: tuple[int, int]


@dataclass(frozen=True)
class Server:
    """A benchmark's server."""

    splits: tuple[str, ...]
    """What can be predicted for it; the first is what it ranks."""
    pairs: Callable[[Path, str], SegmentationDataset]
    """The pictures of a split. What packing would lack is refused here too, before the work."""
    classes: Callable[[Sequence[Label]], tuple[Label, ...]]
    """The server's class for each train id; several may become one."""
    pack: Callable[[Sequence[LabelMapFile], str], bytes]
    """From label maps and split to the bytes of the archive that it takes."""
    check: Callable[[Path, Sequence[LabelMapFile], str, frozenset[int]], set[int]]
    """From archive, label maps, split and allowed ids to the ids in the archive, which is opened anew; what is wrong
    there is a `UserError`."""
    page: str
    """Where the archive is uploaded."""
    limit: int | None = None
    """The largest archive it takes, in megabytes of 10^6 bytes, where that is known."""
