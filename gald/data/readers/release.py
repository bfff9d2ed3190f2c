"""What published data sets share: archives that were extracted by halves, and test pictures whose labels stay away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from gald.data.segmentation import Label, Pair, SegmentationDataset, UnpairedError
from gald.images.io import read_image


def files(folder: Path, pattern: str) -> list[Path]:
    """The files below ``folder`` that fit, sorted; without the ``._NAME`` twins that some archivers leave behind."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def complete(
    wanted: Sequence[Pair], build: Callable[[list[Pair]], SegmentationDataset], how: Callable[[Path], str]
) -> SegmentationDataset:
    """Pairs whose files all exist.

    Where one does not, `UnpairedError` names the first and says ``how(path)`` to get it.
    """
    paths = list(dict.fromkeys(path for pair in wanted for path in (pair.image, pair.label)))
    missing = [path for path in paths if not path.is_file()]
    gone = set(missing)
    pairs = build([pair for pair in wanted if gone.isdisjoint((pair.image, pair.label))])
    if missing:
        sentence = f"{len(missing)} of {len(paths)} files are missing, the first is {missing[0]}: {how(missing[0])}"
        raise UnpairedError(sentence, pairs, [f"{path} is missing" for path in missing])
    return pairs


def unlabelled(
    images: Mapping[str, Path], labels: Sequence[Label], ignored: Iterable[int], how: Callable[[Path], str]
) -> SegmentationDataset:
    """Pictures of a test set whose labels are not public: every pixel has the first ignored value.

    They can be predicted and looked at. No loss or metric sees a pixel of them.
    """
    ignored = tuple(ignored)
    read = partial(_blank, value=ignored[0])
    # the picture stands for its label map too: Pair wants a path, and this one gives the size
    wanted = [Pair(name, images[name], images[name]) for name in sorted(images)]
    pairs = complete(wanted, lambda pairs: SegmentationDataset(pairs, labels, ignored, read), how)
    pairs.labelled = False
    return pairs


def _blank(image: Path, value: int) -> UInt8[Tensor, "h w"]:
    """A label map of the picture's size; the picture is read, because its EXIF tag may turn it."""
    return torch.full(read_image(image).shape[-2:], value, dtype=torch.uint8)
