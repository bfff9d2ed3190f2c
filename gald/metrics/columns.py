"""What a table of segmentation results shows: a heading and the pattern of its keys, and the keys of the means."""

from __future__ import annotations

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
SEGMENTATION_MEANS = ("miou", *(key.removesuffix("/{}") for key in list(SEGMENTATION_COLUMNS.values())[1:]))
