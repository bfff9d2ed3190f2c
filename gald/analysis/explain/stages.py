"""One small network with a head on each stage of GALD, so that the stages can be compared: what ``gald demo`` trains.

The stages are those of Figure 5 of Li et al., "Global Aggregation then Local Distribution in Fully Convolutional
Networks", BMVC 2019, arXiv 1909.07229: the backbone's squeezed feature F, the aggregated F_GA, the distributed F_GALD.
"""

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from gald.block.distribution.mask import MaskDistribution
from gald.block.gald import GALD
from gald.block.layers import conv_norm, resize
from gald.models.backbone import feature_channels, feature_maps, timm_backbone

STAGES = ("F", "F_GA", "F_GALD")


class StageHeads(nn.Module):
    """Backbone at output stride 8, squeeze, GA on the halved map, LD; heads of one form on F, F_GA and F_GALD.

    Takes raw RGB ``uint8`` of any size (B, 3, H, W); returns logits ``{"F", "F_GA", "F_GALD"}``, each (B, K, H, W).

    Each head's loss reaches all that lies below it. Heads that only watch (a detached feature) would leave the trunk to
    the loss on F_GALD, and F and F_GA would be asked for what they were never trained to show. The price: the trunk
    serves three masters, so F is what a backbone gives that GA can lean on, not a network of its own.

    Args:
        num_classes: K.
        backbone: a timm model name; its weights are random.
        ga: a name in `gald.block.aggregation.AGGREGATORS`.
        channels: width of F, F_GA and F_GALD.

    """

    def __init__(self, num_classes: int, *, backbone: str = "test_resnet", ga: str = "psp", channels: int = 64) -> None:
        super().__init__()
        self.backbone = timm_backbone(backbone, output_stride=8)
        self.squeeze = conv_norm(feature_channels(self.backbone)[-1], channels, 3)
        self.aggregate = GALD(channels, ga=ga, order="ga")
        self.distribute = MaskDistribution(channels)
        self.heads = nn.ModuleDict({stage: _head(channels, num_classes) for stage in STAGES})

    def forward(self, images: UInt8[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        size = (images.shape[2], images.shape[3])
        return {stage: resize(self.heads[stage](x), size) for stage, x in self.features(images).items()}

    def features(self, images: UInt8[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        """F, F_GA and F_GALD, each (B, C, ceil(H / 8), ceil(W / 8))."""
        feature = self.squeeze(feature_maps(self.backbone, images / 127.5 - 1)[-1])
        aggregated = self.aggregate(feature)
        return {"F": feature, "F_GA": aggregated, "F_GALD": self.distribute(aggregated)}

    def mask(self, images: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b c i j"]:
        """M of equation (1), one map per channel, in (0, 1), at the features' size."""
        mask: Tensor = self.distribute.mask(self.features(images)["F_GA"])
        return mask


def _head(channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(conv_norm(channels, channels, 3), nn.Conv2d(channels, num_classes, 1))
