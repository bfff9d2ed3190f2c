"""torchvision's two detectors on our pyramid, and the parts that they are made of."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper

from gald.block.layers import at_least_one
from gald.config.network import DetectorConfig
from gald.models.detection.heads import BoxPredictor, MaskPredictor, ProposalHead
from gald.models.detection.pyramid import Pyramid
from gald.models.detection.transform import DetectorTransform, check_images, check_targets
from gald.support.errors import UserError


class UncastTargets:
    """Targets that wrappers leave as they are: Fabric's mixed precision would round their boxes to bfloat16."""

    def __init__(self, targets: Sequence[dict[str, Tensor]]) -> None:
        self.targets = targets


class FasterDetector(FasterRCNN):  # type: ignore[misc]
    """torchvision's Faster R-CNN, which says in one sentence what is wrong with what it is given.

    Args:
        config: the settings; whether it ``masks`` is the class's to say, False here.
        num_classes: K, without the background.
        ga: a module of your own in the place of the one that the settings name.
        ld: likewise.
        resize: as in `gald.faster_rcnn`, as are ``detections`` and ``least_score``.
    """

    masks = False

    def __init__(
        self,
        config: DetectorConfig,
        num_classes: int,
        *,
        ga: nn.Module | None = None,
        ld: nn.Module | None = None,
        resize: bool = True,
        detections: int = 100,
        least_score: float = 0.05,
    ) -> None:
        pyramid = Pyramid(config, ga, ld)
        transform = DetectorTransform(config.short, config.longest, pyramid, resize)
        parts = box_parts(pyramid, config, num_classes, detections, least_score)
        super().__init__(pyramid, **parts, **(mask_parts(pyramid, num_classes) if self.masks else {}))
        self.transform = transform
        self.num_classes = num_classes

    def forward(
        self, images: Sequence[Tensor] | Tensor, targets: Sequence[dict[str, Tensor]] | UncastTargets | None = None
    ) -> Any:
        """Losses by name in training, else a dictionary for each picture: `gald.faster_rcnn` has the shapes."""
        if isinstance(targets, UncastTargets):
            targets = targets.targets
        check_images(images)
        if self.training or targets is not None:
            check_targets(images, targets, self.num_classes, self.masks)
        weights = next(self.parameters()).dtype
        images = [image if image.dtype == torch.uint8 else image.to(weights) for image in images]
        return super().forward(images, targets)


class MaskDetector(FasterDetector, MaskRCNN):  # type: ignore[misc]
    """torchvision's Mask R-CNN likewise; ``masks`` is True."""

    masks = True


def box_parts(
    pyramid: Pyramid, config: DetectorConfig, num_classes: int, detections: int, least_score: float
) -> dict[str, Any]:
    """What finds boxes, by the names of torchvision's arguments; with the default numbers, what it makes itself."""
    at_least_one(num_classes, "a detector needs classes")
    at_least_one(detections, "a detector needs detections")
    if not 0 <= least_score < 1:
        raise UserError(f"least_score is {least_score}; it must be 0 or more and below 1")
    generator = _anchors(pyramid, config.anchors)
    channels, width, proposals = pyramid.out_channels, config.head_channels, config.proposals
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
        "box_batch_size_per_image": config.samples,
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
