"""What a table of results shows: for each heading the pattern of its keys, and the keys of the means under them."""

from collections.abc import Mapping

SEGMENTATION_COLUMNS = {
    "IoU": "iou/{}",
    "Boundary IoU": "boundary_iou/{}",
    "F 3 px": "boundary_f/3px/{}",
    "F 5 px": "boundary_f/5px/{}",
    "F 9 px": "boundary_f/9px/{}",
    "F 12 px": "boundary_f/12px/{}",
    "IoU small": "iou_small/{}",
    "medium": "iou_medium/{}",
    "large": "iou_large/{}",
}
BOX_COLUMNS = {
    "VOC AP": "voc/ap/{}",
    "AP": "box/ap/{}",
    "AP50": "box/ap50/{}",
    "AP75": "box/ap75/{}",
    "small": "box/ap_small/{}",
    "medium": "box/ap_medium/{}",
    "large": "box/ap_large/{}",
}
MASK_COLUMNS = {
    **BOX_COLUMNS,
    **{f"mask {heading}": key.replace("box/", "mask/") for heading, key in [*BOX_COLUMNS.items()][1:]},
    "boundary AP": "boundary/ap/{}",
}
MEANS = {"iou": "miou", "voc/ap": "voc/map"}  # those that aren't called as their column


def means(columns: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys of the means that stand under ``columns``, in the same order."""
    keys = (pattern.removesuffix("/{}") for pattern in columns.values())
    return tuple(MEANS.get(key, key) for key in keys)
