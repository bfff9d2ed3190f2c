"""The detectors' backbone: timm's maps, the block behind the last, and the feature pyramid over all of them.

Lin, Dollar, Girshick, He, Hariharan, Belongie: Feature Pyramid Networks for Object Detection, CVPR 2017. The block's
place is that of Li et al., BMVC 2019 (arXiv 1909.07229), section 4: at the end of ResNet's last stage, so that what it
makes feeds the top-down path.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from gald.config.network import DetectorConfig
from gald.models.backbone import STRIDES, feature_channels, feature_maps, feature_strides, timm_backbone
from gald.models.plug import Plug
from gald.support.errors import UserError

NORMS = ("frozen", "batch")


class Pyramid(nn.Module):
    """``(B, 3, H, W) -> {"0": (B, C, H/4, W/4), .., "pool": ..}``, a map for each stride, and the last shrunk by 2.

    H and W divide by the last stride. The maps come in float32 under autocast too: what torchvision computes from them
    takes their type, and bfloat16 rounds a place at 800 pixels to 4.

    Args:
        config: of these, the backbone and its weights; the block's ga, ld, order and reduce (a `gald.models.plug.Plug`,
            which starts as the identity; with "none" for whatever the order uses there is no block); norm ("frozen"
            fixes the statistics and weights of the backbone's batch norms, in training too, the block's always train);
            strides (each twice the one before; to the last the backbone is dilated, if need be); fpn_channels, which
            is C; fpn_norm, a group norm (Wu and He, ECCV 2018) after each of the pyramid's convolutions.
        ga: a module of your own in the place of the one that the settings name.
        ld: likewise.

    Raises:
        UserError: a backbone that has no map of one of the strides; whatever `gald.models.backbone.timm_backbone` and
            `gald.GALD` refuse.
    """

    def __init__(self, config: DetectorConfig, ga: nn.Module | None = None, ld: nn.Module | None = None) -> None:
        super().__init__()
        if config.norm not in NORMS:
            raise UserError(f"norm is {config.norm!r}; it must be 'frozen' or 'batch'")
        self.strides = config.strides
        _check(self.strides)
        body = timm_backbone(config.backbone, output_stride=self.strides[-1], pretrained=config.backbone_weights)
        self.levels = _levels(config.backbone, feature_strides(body), self.strides)
        widths = [feature_channels(body)[level] for level in self.levels]
        self.body: nn.Module = body
        self.frozen = config.norm == "frozen"
        for norm in _norms(body) if self.frozen else []:
            norm.eval().requires_grad_(False)
        self.block = _block(Plug(widths[-1], ga or config.ga, ld or config.ld, config.order, config.reduce))
        group_norm = _group_norm if config.fpn_norm else None
        self.fpn = FeaturePyramidNetwork(widths, config.fpn_channels, LastLevelMaxPool(), group_norm)
        self.out_channels = config.fpn_channels  # torchvision's heads ask for it by this name

    def train(self, mode: bool = True) -> "Pyramid":
        """Switch everything but frozen norms.

        Those are torch's own, kept in evaluation mode: timm's and torchvision's frozen norms multiply and add, which
        under autocast turns every map to float32 and back.
        """
        super().train(mode)
        for norm in _norms(self.body) if self.frozen else []:
            norm.eval()
        return self

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        self._refuse_one_value(images)
        maps = feature_maps(self.body, images)
        chosen = [maps[level] for level in self.levels]
        chosen[-1] = self.block(chosen[-1])
        levels: dict[str, Tensor] = self.fpn({str(index): level for index, level in enumerate(chosen)})
        return {name: wide(level) for name, level in levels.items()}

    def _refuse_one_value(self, images: Tensor) -> None:
        """Say what torch's batch norm would refuse in its own words, one value of a channel, before it does."""
        places = images.shape[0] * (images.shape[2] // self.strides[-1]) * (images.shape[3] // self.strides[-1])
        if places == 1 and any(norm.training for norm in _norms(self.body)):
            raise UserError(
                f"the backbone's batch norms can't train on one picture of {images.shape[2]}x{images.shape[3]} pixels "
                f"(with padding); give more or larger pictures, or build the network with norm='frozen'"
            )


def _group_norm(channels: int) -> nn.GroupNorm:
    """8 groups, or fewer: of two channels at least, for a map of one place has no other values to compare."""
    groups = next(count for count in (8, 4, 2, 1) if channels % (2 * count) == 0 or count == 1)
    return nn.GroupNorm(groups, channels)


def _norms(body: nn.Module) -> list[nn.Module]:
    return [module for module in body.modules() if isinstance(module, _BatchNorm)]


def wide(x: Tensor) -> Tensor:
    """``x``, but what autocast has made in a shorter type in float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32)) if torch.is_autocast_enabled(x.device.type) else x


def _check(strides: tuple[int, ...]) -> None:
    doubling = all(stride == strides[0] * 2**index for index, stride in enumerate(strides))
    if not strides or not doubling or strides[-1] not in STRIDES:
        raise UserError(f"strides is {strides}; each must be twice the one before, the last 8, 16 or 32")


def _levels(backbone: str, has: list[int], strides: tuple[int, ...]) -> list[int]:
    """Index of the backbone's (last) map of each stride."""
    missing = [str(stride) for stride in strides if stride not in has]
    if missing:
        raise UserError(
            f"the pyramid needs a map of stride {' and '.join(missing)}, and backbone {backbone!r} has "
            f"{', '.join(map(str, has))}; set strides, or take another backbone (a ResNet has 4, 8, 16 and 32)"
        )
    return [len(has) - 1 - has[::-1].index(stride) for stride in strides]


def _block(plug: Plug) -> nn.Module:
    """The gated block, or nothing at all where neither part does anything: the network then is torchvision's."""
    idle = isinstance(plug.block.ga, nn.Identity) and isinstance(plug.block.ld, nn.Identity)
    return nn.Identity() if idle else plug
