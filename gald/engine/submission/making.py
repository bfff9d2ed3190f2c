"""From pictures to an archive that was checked; what an earlier run has finished is used again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from gald.data.labels import Label, label_ids
from gald.data.segmentation import SegmentationDataset
from gald.engine.submission.server import Map, Server, Watch
from gald.engine.submission.work import fault
from gald.images.io import write_label
from gald.support.files import write_whole


def label_maps(
    classes: Sequence[Label],
    pairs: SegmentationDataset,
    work: Path,
    train_ids: Callable[[Tensor], Tensor],
    watch: Watch,
) -> list[Map]:
    """Every picture's label map in the work folder, in the ids of the server's ``classes`` for the train ids.

    Args:
        classes: the server's class for each train id.
        pairs: the pictures; labels are not read.
        work: the folder; what is there and sound stays, the rest is predicted.
        train_ids: from a picture, uint8 (3, H, W) RGB, to its train ids (H, W), on the CPU.
        watch: walks through the pictures.
    """
    to_id = label_ids(classes)
    done = finished(classes, pairs, work, watch)
    for i in watch([i for i in range(len(pairs)) if pairs.name(i) not in done], "predict"):
        file = work / f"{pairs.name(i)}.png"
        labels = to_id[train_ids(pairs.image(i)).long()]
        write_label(labels, file)
        done[pairs.name(i)] = Map(pairs.name(i), file, (labels.shape[0], labels.shape[1]))
    return [done[pairs.name(i)] for i in range(len(pairs))]


def finished(classes: Sequence[Label], pairs: SegmentationDataset, work: Path, watch: Watch) -> dict[str, Map]:
    """The label maps of an earlier run by name, each compared with its picture; the faulty are named on the screen."""
    allowed = frozenset(each.id for each in classes)
    found = [i for i in range(len(pairs)) if (work / f"{pairs.name(i)}.png").exists()]
    done: dict[str, Map] = {}
    for i in watch(found, "look at what is done"):
        image = pairs.image(i)
        each = Map(pairs.name(i), work / f"{pairs.name(i)}.png", (image.shape[1], image.shape[2]))
        wrong = fault(each.file, each.size, allowed)
        if wrong is None:
            done[each.name] = each
        else:
            print(f"predicted again: {wrong}", file=sys.stderr)
    if found:
        print(f"{len(done)} of {len(pairs)} pictures were done before", file=sys.stderr)
    return done


def write(
    server: Server, archive: Path, maps: Sequence[Map], split: str, classes: Sequence[Label], watch: Watch
) -> set[int]:
    """Write the archive and check it; one that was not checked to its end doesn't stay. Returns the ids in it."""
    write_whole(archive, server.pack(maps, split, watch))
    try:
        return server.check(archive, maps, split, frozenset(each.id for each in classes), watch)
    except BaseException:
        archive.unlink(missing_ok=True)
        raise
