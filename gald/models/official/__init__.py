"""The networks as their authors released them, every oddity included, so that the released weights load and agree.

X. Li et al., "Global Aggregation then Local Distribution in Fully Convolutional Networks", BMVC 2019, arXiv 1909.07229,
and L. Zhang*, X. Li* et al., "Dual Graph Convolutional Network for Semantic Segmentation", BMVC 2019, arXiv 1909.06121;
both in the repository lxtGH/GALD-DGCNet. Written anew here; `gald.GALD` is the block of the paper.

Where the release differs from the paper's text (equations (1)-(3)):

- F is halved by a learned, unpadded depth-wise convolution, and stretched back *before* the local distribution;
- ``2 F_GA + M * F_GA`` stands where (2) has ``F_GA + M * F_GA``;
- norm and ReLU follow every convolution of W_d, also the last, so M lies in [0.5, 1), not [0, 1];
- "ratio 8" is three unpadded strides (97 -> 11), which is why GALD takes no image under 111 x 111;
- (3) is ``concat(F, F_GALD)`` with F from layer4 (2048 channels), amid three 3x3 convolutions that are half the cost;
- the aggregation (CGNL, 8 groups) is one scalar for each group, of which the norm leaves the sign;
- the backbone has dilations 4, 8, 16 in layer4, and an auxiliary head sits on layer3.

A network takes *normalised* images (`normalize`) and returns ``{"out"}``, in training ``{"out", "aux"}``: logits
at stride 8, which the release resized with ``align_corners=True``.
"""

from collections.abc import Callable

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from gald.models.official.backbone import Backbone, map_size
from gald.models.official.dualseg_head import DualGCNHead
from gald.models.official.gald_head import GALDHead
from gald.models.official.weights import load
from gald.support.errors import UserError, lookup

__all__ = ["NETWORKS", "dualseg_r50", "dualseg_r101", "gald_r50", "gald_r101", "load", "map_size", "normalize"]

RESNET50, RESNET101 = (3, 4, 6, 3), (3, 4, 23, 3)

# (channel order, mean, deviation) in values of 0 to 255: GALD's scripts train on the first, DualSeg's on the second
_INPUTS = {
    "bgr": ([2, 1, 0], (104.00698793, 116.66876762, 122.67891434), (1.0, 1.0, 1.0)),
    "rgb": ([0, 1, 2], (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),  # ImageNet's, times 255
}


class Released(Backbone):
    """Backbone, head and auxiliary head under the released names; build it with one of the four functions below."""

    def __init__(
        self,
        blocks: tuple[int, int, int, int],
        head: nn.Module,
        dsn: nn.Sequential,
        smallest: int,
        smallest_alone: int,
    ) -> None:
        super().__init__(blocks)
        self.head, self.dsn = head, dsn
        self.smallest, self.smallest_alone = smallest, smallest_alone

    def forward(self, images: Shaped[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        """Normalised images -> ``{"out"[, "aux"]}``, each ``(B, num_classes, map_size(H), map_size(W))``.

        Raises `UserError` for an image too small: 111 pixels for GALD's unpadded convolutions, and for training
        on a single image 175 (DualSeg 63), under which batch norm meets a channel of one value.
        """
        self._check(images)
        middle, last = self.features(images)
        if not self.training:
            return {"out": self.head(last)}
        return {"out": self.head(last), "aux": self.dsn(middle)}

    def _check(self, images: Shaped[Tensor, "b 3 h w"]) -> None:
        height, width = images.shape[2:]
        if not images.is_floating_point():
            raise UserError("the images are not normalised; pass normalize(images, 'bgr') for GALD, 'rgb' for DualSeg")
        if min(height, width) < self.smallest:
            raise UserError(
                f"the image of {height}x{width} is too small for this network, whose convolutions are not padded; "
                f"the smallest is {self.smallest}x{self.smallest}"
            )
        trains = self.bn1.training  # False with frozen norms
        if trains and len(images) == 1 and max(height, width) < self.smallest_alone:
            raise UserError(
                f"one image of {height}x{width} is too small to train on alone, since batch norm would see one value "
                f"per channel; use {self.smallest_alone}x{self.smallest_alone} at least, or a larger batch"
            )


def gald_r50(num_classes: int) -> Released:
    """GALD on ResNet-50: 52.4 M parameters (19 classes)."""
    return _gald(RESNET50, num_classes)


def gald_r101(num_classes: int) -> Released:
    """GALD on ResNet-101: 71.4 M parameters."""
    return _gald(RESNET101, num_classes)


def dualseg_r50(num_classes: int) -> Released:
    """DualSeg on ResNet-50: 53.5 M parameters; its authors report 79.6 to 79.8 mIoU on Cityscapes val."""
    return _dualseg(RESNET50, num_classes)


def dualseg_r101(num_classes: int) -> Released:
    """DualSeg on ResNet-101: 72.5 M parameters; its authors report 80.3 to 80.4 mIoU on Cityscapes val."""
    return _dualseg(RESNET101, num_classes)


NETWORKS: dict[str, Callable[[int], Released]] = {
    "gald_r50": gald_r50,
    "gald_r101": gald_r101,
    "dualseg_r50": dualseg_r50,
    "dualseg_r101": dualseg_r101,
}


def normalize(images: Shaped[Tensor, "b 3 h w"], order: str) -> Float[Tensor, "b 3 h w"]:
    """RGB images, uint8 or floats in [0, 1], to what a network was trained on.

    ``order``: ``"bgr"``, values of 0 to 255 in blue, green, red less their means (the GALD scripts), or ``"rgb"``,
    ImageNet's means and deviations (the DualSeg scripts).
    """
    channels, mean, std = lookup(_INPUTS, order, "input")
    values = images[:, channels] * 255.0 if images.is_floating_point() else images[:, channels].float()
    return (values - values.new_tensor(mean)[:, None, None]) / values.new_tensor(std)[:, None, None]


def _gald(blocks: tuple[int, int, int, int], num_classes: int) -> Released:
    dsn = _auxiliary_head(num_classes, nn.ReLU(inplace=True))
    return Released(blocks, GALDHead(2048, 512, num_classes), dsn, smallest=111, smallest_alone=175)


def _dualseg(blocks: tuple[int, int, int, int], num_classes: int) -> Released:
    dsn = _auxiliary_head(num_classes)  # released without the ReLU
    return Released(blocks, DualGCNHead(2048, 512, num_classes), dsn, smallest=1, smallest_alone=63)


def _auxiliary_head(num_classes: int, *activation: nn.Module) -> nn.Sequential:
    conv = nn.Conv2d(1024, 512, 3, padding=1)
    return nn.Sequential(conv, nn.BatchNorm2d(512), *activation, nn.Dropout2d(0.1), nn.Conv2d(512, num_classes, 1))
