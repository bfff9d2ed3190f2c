"""One small network with a head on each stage of GALD, so that the stages can be compared: what ``gald demo`` trains.

The stages are those of Figure 5 of Li et al., "Global Aggregation then Local Distribution in Fully Convolutional
Networks", BMVC 2019, arXiv 1909.07229: the backbone's squeezed feature F, the aggregated F_GA, the distributed F_GALD.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from gald.backbone import feature_maps, timm_backbone
from gald.block import GALD
from gald.distribution import MaskDistribution
from gald.layers import conv_norm, resize

STAGES = ("F", "F_GA", "F_GALD")


class ThreeHeads(nn.Module):
    def __init__(self, num_classes: int, *, backbone: str = "test_resnet", ga: str = "psp", channels: int = 64, ratio: int = 8, reduce=2, os=8, detach=False) -> None:
        super().__init__()
        self.backbone = timm_backbone(backbone, output_stride=os)
        self.squeeze = conv_norm(self.backbone.feature_info.channels()[-1], channels, 3)
        self.aggregate = GALD(channels, ga=ga, order="ga", reduce=reduce)
        self.distribute = MaskDistribution(channels, ratio=ratio)
        self.heads = nn.ModuleDict({s: nn.Sequential(conv_norm(channels, channels, 3), nn.Conv2d(channels, num_classes, 1)) for s in STAGES})
        self.detach=detach

    def features(self, images):
        scaled = images / 127.5 - 1
        feature = self.squeeze(feature_maps(self.backbone, scaled)[-1])
        aggregated = self.aggregate(feature)
        return {"F": feature, "F_GA": aggregated, "F_GALD": self.distribute(aggregated)}

    def forward(self, images):
        f=self.features(images)
        if self.detach: f={"F":f["F"].detach(),"F_GA":f["F_GA"].detach(),"F_GALD":f["F_GALD"]}
        return {s: resize(self.heads[s](f[s]), images.shape[2:]) for s in STAGES}
