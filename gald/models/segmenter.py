"""The segmentation network: timm backbone, squeeze, GALD, concatenation, head.

Li, Zhang, You, Yang, Yang, Tong: Global Aggregation then Local Distribution in Fully Convolutional Networks,
BMVC 2019, arXiv:1909.07229. Equation (3): ``F_o = concat(F_GALD, F)``.
"""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from gald.block.gald import GALD
from gald.block.layers import conv_norm, resize
from gald.config.network import SegmenterConfig
from gald.models.backbone import (
    divisor,
    feature_channels,
    feature_maps,
    feature_strides,
    mean_and_std,
    timm_backbone,
)
from gald.support.errors import UserError


class Segmenter(nn.Module):
    """Semantic segmentation with GALD on any timm backbone.

    Takes raw RGB, ``uint8`` or float in [0, 1], of any size (B, C, H, W): it owns its mean and std. Returns
    ``{"out": logits (B, K, H, W)}``, in training also ``"aux"``, the auxiliary head's logits at the same size.

    Args:
        backbone: a timm model name.
        num_classes: K.
        ga: as in `gald.GALD`, as are ``ld``, ``order`` and ``reduce``: names, or modules of your own for ``channels``.
        channels: width of the squeezed feature F.
        output_stride: 8, 16 or 32: pixels of the picture per pixel of F.
        skip: give the head the backbone's stride-4 feature as well (DeepLabv3+'s decoder, Chen et al., ECCV 2018;
            not in the GALD papers).
        aux: an auxiliary head on the stage before the last, used in training only.
        in_channels: channels of the picture, 1 to n.
        pretrained: True for timm's ImageNet weights, or the path of a .safetensors file for the backbone.

    >>> net = Segmenter("resnet18", num_classes=19, output_stride=16, channels=128)
    >>> net(torch.zeros(2, 3, 65, 129))["out"].shape
    torch.Size([2, 19, 65, 129])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str = "resnet50",
        num_classes: int | None = None,
        *,
        ga: str | nn.Module = "psp",
        ld: str | nn.Module = "mask",
        order: str = "ga-ld",
        reduce: int = 2,
        channels: int = 512,
        output_stride: int = 8,
        skip: bool = False,
        aux: bool = True,
        in_channels: int = 3,
        pretrained: bool | str | Path = False,
    ) -> None:
        super().__init__()
        if num_classes is None or num_classes < 1:
            raise UserError(f"num_classes is {num_classes}; a segmenter needs at least 1 class")
        self.backbone = timm_backbone(
            backbone, output_stride=output_stride, in_channels=in_channels, pretrained=pretrained
        )
        # Whole cells: sample i of a map of stride s lies on the same place of its cell in every picture, so that the
        # resizes below mean the same at 360 rows (22.5 cells of 16) as at the crops that were trained on.
        self.divisor = math.lcm(divisor(self.backbone, in_channels), output_stride)
        mean, std = mean_and_std(self.backbone, in_channels)
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

        widths, strides = feature_channels(self.backbone), feature_strides(self.backbone)
        self.squeeze = conv_norm(widths[-1], channels, 3)
        self.block = GALD(channels, ga=ga, ld=ld, order=order, reduce=reduce)
        self.fuse = conv_norm(self.block.out_channels + channels, channels, 3)
        self.skip_index = _stride_four(strides, backbone) if skip else None
        self.skip = conv_norm(widths[self.skip_index], 48, 1) if self.skip_index is not None else None
        self.refine = conv_norm(channels + 48, channels, 3) if skip else None
        self.classify = nn.Conv2d(channels, num_classes, 1)
        self.aux = (
            _auxiliary_head(widths[-2] if len(widths) > 1 else widths[-1], channels, num_classes) if aux else None
        )

    @classmethod
    def from_config(cls, config: SegmenterConfig, num_classes: int) -> "Segmenter":
        """Build the network of a run's settings, with the initial weights that they ask for."""
        settings: dict[str, Any] = {**asdict(config), "pretrained": config.backbone_weights}
        del settings["weights"]
        return cls(num_classes=num_classes, **settings)

    def forward(self, images: Shaped[Tensor, "b c h w"]) -> dict[str, Tensor]:
        if images.ndim != 4:
            raise UserError(f"a network takes pictures (B, C, H, W), got {tuple(images.shape)}; one picture is x[None]")
        size = (images.shape[2], images.shape[3])
        maps = feature_maps(self.backbone, self._pad(self.normalize(images)))
        outputs = {"out": self._fit(self.head(maps), size)}
        if self.training and self.aux is not None:
            outputs["aux"] = self._fit(self.aux(maps[-2 if len(maps) > 1 else -1]), size)
        return outputs

    def normalize(self, images: Shaped[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Raw RGB to what the backbone was trained on."""
        scaled = images / 255 if images.dtype == torch.uint8 else images
        return (scaled - self.mean) / self.std

    def head(self, maps: list[Tensor]) -> Float[Tensor, "b k h w"]:
        """Backbone maps to logits at the feature's resolution (at stride 4 with ``skip``)."""
        feature = self.squeeze(maps[-1])
        distributed = self.block(feature)
        fused = self.fuse(torch.cat([distributed, feature], dim=1))  # Eq. (3)
        if self.skip is not None and self.refine is not None and self.skip_index is not None:
            fine = maps[self.skip_index]
            fused = self.refine(torch.cat([resize(fused, (fine.shape[2], fine.shape[3])), self.skip(fine)], dim=1))
        logits: Tensor = self.classify(fused)
        return logits

    def _pad(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c i j"]:
        """Repeat the edge to the right and below up to whole cells."""
        height, width = x.shape[2], x.shape[3]
        return F.pad(x, (0, -width % self.divisor, 0, -height % self.divisor), mode="replicate")

    def _fit(self, logits: Float[Tensor, "b k i j"], size: tuple[int, int]) -> Float[Tensor, "b k h w"]:
        """Resize to the (padded) picture and crop the padding off."""
        height, width = size
        padded = (height + -height % self.divisor, width + -width % self.divisor)
        return resize(logits, padded)[:, :, :height, :width]


def _stride_four(strides: list[int], backbone: str) -> int:
    if 4 not in strides:
        raise UserError(
            f"skip needs a stride-4 map, and {backbone!r} has strides {strides}; set skip=False (--model.no-skip)"
        )
    return strides.index(4)


def _auxiliary_head(channels: int, inner: int, num_classes: int) -> nn.Sequential:
    """A small head on an earlier stage, as in PSPNet (Zhao et al., CVPR 2017)."""
    return nn.Sequential(conv_norm(channels, inner, 3), nn.Dropout2d(0.1), nn.Conv2d(inner, num_classes, 1))
