"""``gald predict``: segment pictures or find their objects; files, folders, patterns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from gald.cli.options import Runtime, Views
from gald.config.inference import RuntimeConfig, ViewConfig
from gald.images.find import find_pictures
from gald.support.errors import UserError


def predict(
    pictures: Annotated[tuple[str, ...], Positional, arg(metavar="PICTURE ...")],
    checkpoint: Path | None = None,
    out: Path = Path("predictions"),
    views: Views = ViewConfig(scales=()),
    score: float | None = None,
    runtime: Runtime = RuntimeConfig(),
) -> None:
    """Segment pictures, or find their objects, with the network in the box or that of a checkpoint.

    A segmentation network gives OUT/labels/NAME.png in the data set's ids and OUT/overlays/NAME.jpg in its colours with
    a legend. A detector gives OUT/overlays/NAME.jpg with boxes, names, scores and masks, and OUT/objects.json in COCO's
    format, of the pictures of this run alone. Of an earlier run into OUT, files of the same names are written over, and
    the others stay. A picture that can't be read is named at the end, and the exit code is 1; the others are done.

    Without --scales, a picture is looked at as it is; by the network in the box resized to 720 pixels on the longer
    side, but not above 1.5. The files keep the picture's size. --tile, --overlap, --scales and --flip are for
    segmentation networks.

    Args:
        pictures: files, folders (searched through), or patterns such as 'photos/*.jpg'.
        checkpoint: best.safetensors or last.pt; if left out, the box's: streets by day, data for research only.
        out: the folder for what is written.
        views: how pictures are looked at.
        score: objects at least this sure are drawn, 0 to 1 (0.5 if left out; for detectors only); objects.json holds
            the others, too.
        runtime: where it runs.
    """
    if score is not None and not 0 <= score <= 1:
        raise UserError(f"--score is {score}; it must lie between 0 and 1")
    found = find_pictures(pictures)  # before torch is there: what is missing is said at once

    from gald.engine.predict import predict_pictures

    predicted = predict_pictures(found, checkpoint, out, views=views, runtime=runtime, score=score)
    where = f": {predicted.where}" if predicted.done else "; nothing was written"
    print(f"{predicted.done} of {len(found)} pictures done{where}")
    if predicted.done + len(predicted.unread) < len(found):
        raise SystemExit(130)
    if predicted.unread:
        print("\n".join([f"{len(predicted.unread)} could not be read:", *predicted.unread]), file=sys.stderr)
        raise SystemExit(1)
