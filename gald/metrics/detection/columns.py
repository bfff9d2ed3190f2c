"""What a table of detection results shows: one heading and one key a column, small objects always among them."""

from __future__ import annotations

VOC = {"VOC AP": "voc/ap/{}"}
BOX = {
    "AP": "box/ap/{}",
    "AP50": "box/ap50/{}",
    "AP75": "box/ap75/{}",
    "small": "box/ap_small/{}",
    "medium": "box/ap_medium/{}",
    "large": "box/ap_large/{}",
}
MASK = {f"mask {heading}": key.replace("box/", "mask/") for heading, key in BOX.items()}
BOUNDARY = {"boundary AP": "boundary/ap/{}"}


def detection_columns(masks: bool) -> dict[str, str]:
    """Return ``{heading: key pattern}``; ``pattern.format(name)`` is the key of a class in the metrics' results."""
    return {**VOC, **BOX, **MASK, **BOUNDARY} if masks else {**VOC, **BOX}


def detection_means(masks: bool) -> tuple[str, ...]:
    """Return the keys of the means that stand under `detection_columns`, in the same order."""
    keys = (key.removesuffix("/{}") for key in detection_columns(masks).values())
    return tuple("voc/map" if key == "voc/ap" else key for key in keys)
