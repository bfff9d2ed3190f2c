"""torchvision's heads, with their last values in float32: boxes are computed from those, in their type.

Under autocast they would be in bfloat16 (torchvision moves the anchors to the type of the offsets), and a box at 800
pixels would be right to 4 pixels at best. Keys and, in float32, values are torchvision's.
"""

from torch import Tensor
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead

from gald.models.detection.pyramid import wide


class ProposalHead(RPNHead):  # type: ignore[misc]
    """Objectness (B, A, h, w) and offsets (B, 4 A, h, w) of the A anchors at each place of each level."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        objectness, offsets = super().forward(x)
        return [wide(level) for level in objectness], [wide(level) for level in offsets]


class BoxPredictor(FastRCNNPredictor):  # type: ignore[misc]
    """Class logits (R, K + 1) and offsets (R, 4 (K + 1)) of R regions; class 0 is the background."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, offsets = super().forward(x)
        return wide(logits), wide(offsets)


class MaskPredictor(MaskRCNNPredictor):  # type: ignore[misc]
    """Mask logits (R, K + 1, 28, 28) of R regions."""

    def forward(self, x: Tensor) -> Tensor:
        return wide(super().forward(x))
