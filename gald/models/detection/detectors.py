"""torchvision's two detectors on our pyramid, and the parts that they are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper

from gald.block.layers import at_least_one
from gald.models.detection.heads import BoxPredictor, MaskPredictor, ProposalHead
from gald.models.detection.preparation import Preparation, check_images, check_targets
from gald.models.detection.pyramid import Pyramid
from gald.support.errors import UserError


class Sealed:
    """Targets that wrappers leave as they are: Fabric's mixed precision would round their boxes to bfloat16."""

    def __init__(self, targets: Sequence[dict[str, Tensor]]) -> None:
        self.targets = targets


class FasterDetector(FasterRCNN):  # type: ignore[misc]
    """torchvision's Faster R-CNN, which says in one sentence what is wrong with what it is given.

    Built by `gald.faster_rcnn`. ``num_classes`` is K, without the background; ``masks`` is False.
    """

    masks = False

    def __init__(self, num_classes: int, pyramid: Pyramid, preparation: Preparation, parts: dict[str, Any]) -> None:
        super().__init__(pyramid, **parts)
        self.transform = preparation
        self.num_classes = num_classes

    def forward(
        self, images: Sequence[Tensor] | Tensor, targets: Sequence[dict[str, Tensor]] | Sealed | None = None
    ) -> Any:
        """Losses by name in training, else a dictionary for each picture: `gald.faster_rcnn` has the shapes."""
        if isinstance(targets, Sealed):
            targets = targets.targets
        check_images(images)
        if self.training or targets is not None:
            check_targets(images, targets, self.num_classes, self.masks)
        weights = next(self.parameters()).dtype
        images = [image if image.dtype == torch.uint8 else image.to(weights) for image in images]
        return super().forward(images, targets)


class MaskDetector(FasterDetector, MaskRCNN):  # type: ignore[misc]
    """torchvision's Mask R-CNN likewise, built by `gald.mask_rcnn`; ``masks`` is True."""

    masks = True


def box_parts(
    pyramid: Pyramid,
    num_classes: int,
    width: int,
    anchors: tuple[int, ...] | None,
    proposals: int,
    samples: int,
    detections: int,
    least_score: float,
) -> dict[str, Any]:
    """What finds boxes, by the names of torchvision's arguments; with the default numbers, what it makes itself."""
    for count, name in ((num_classes, "classes"), (width, "head_channels"), (proposals, "proposals")):
        at_least_one(count, f"a detector needs {name}")
    for count, name in ((samples, "samples"), (detections, "detections")):
        at_least_one(count, f"a detector needs {name}")
    if not 0 <= least_score < 1:
        raise UserError(f"least_score is {least_score}; it must be 0 or more and below 1")
    generator = _anchors(pyramid, anchors)
    channels = pyramid.out_channels
    return {
        "rpn_anchor_generator": generator,
        "rpn_head": ProposalHead(channels, generator.num_anchors_per_location()[0]),
        "rpn_pre_nms_top_n_train": 2 * proposals,
        "rpn_pre_nms_top_n_test": proposals,
        "rpn_post_nms_top_n_train": 2 * proposals,
        "rpn_post_nms_top_n_test": proposals,
        "box_roi_pool": _pool(pyramid, 7),
        "box_head": TwoMLPHead(channels * 7 * 7, width),
        "box_predictor": BoxPredictor(width, num_classes + 1),
        "box_batch_size_per_image": samples,
        "box_detections_per_img": detections,
        "box_score_thresh": least_score,
    }


def mask_parts(pyramid: Pyramid, num_classes: int) -> dict[str, Any]:
    """What draws masks into the boxes."""
    channels = pyramid.out_channels
    return {
        "mask_roi_pool": _pool(pyramid, 14),
        "mask_head": MaskRCNNHeads(channels, (channels,) * 4, 1),
        "mask_predictor": MaskPredictor(channels, channels, num_classes + 1),
    }


def _anchors(pyramid: Pyramid, sides: tuple[int, ...] | None) -> AnchorGenerator:
    """Boxes of one side and three shapes at each place of each level, and of the one that the pyramid adds."""
    needed = len(pyramid.strides) + 1
    if sides is None:
        sides = tuple(8 * stride for stride in (*pyramid.strides, 2 * pyramid.strides[-1]))
    if len(sides) != needed or min(sides) <= 0:
        raise UserError(f"anchors is {sides}; it must be {needed} sides in pixels, one more than strides")
    return AnchorGenerator(tuple((side,) for side in sides), ((0.5, 1.0, 2.0),) * needed)


def _pool(pyramid: Pyramid, size: int) -> MultiScaleRoIAlign:
    """RoIAlign on the level that fits a box.

    torchvision would guess the strides from the first pictures that it sees, and keep them; it guesses wrong where
    those are so small that they are mostly padding.
    """
    names = [str(index) for index in range(len(pyramid.strides))]
    pool = MultiScaleRoIAlign(names, output_size=size, sampling_ratio=2)
    pool.scales = [1 / stride for stride in pyramid.strides]
    lowest, highest = (int(math.log2(pyramid.strides[end])) for end in (0, -1))
    pool.map_levels = LevelMapper(lowest, highest)
    return pool
