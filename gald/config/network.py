"""The settings of a network: the block that all have, a segmentation network's, a detector's. Standard library only."""

from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

from gald.config.checks import SettingError, Settings

NetworkConfigT = TypeVar("NetworkConfigT", bound="NetworkConfig")


@dataclass(frozen=True)
class NetworkConfig(Settings):
    """What every network here has: a timm backbone, then global aggregation and local distribution."""

    prefix: ClassVar[str] = "model."

    backbone: str = "resnet50"
    """A timm model name."""
    ga: str = "psp"
    """Global aggregation."""
    ld: str = "mask"
    """Local distribution."""
    order: str = "ga-ld"
    """How they are arranged (the paper's Fig. 3)."""
    reduce: int = 2
    """The aggregation runs at 1/reduce of the feature's resolution."""
    pretrained: bool = False
    """Start from timm's ImageNet weights (downloaded by timm on first use)."""
    weights: Path | None = None
    """Start the backbone from this file instead (.safetensors, timm's keys)."""

    def __post_init__(self) -> None:
        if self.pretrained and self.weights:
            raise SettingError("model.weights", "is given beside pretrained; give one of them, not both")
        self.require_at_least(1, "reduce")

    @property
    def backbone_weights(self) -> bool | Path:
        """What the backbone starts from: a file, True for timm's weights, False for random ones."""
        return self.weights or self.pretrained

    def bare(self: NetworkConfigT) -> NetworkConfigT:
        """The same network without initial weights, for one whose weights all come from a checkpoint."""
        return replace(self, pretrained=False, weights=None)


@dataclass(frozen=True)
class SegmenterConfig(NetworkConfig):
    """The segmentation network: the body, then a head."""

    channels: int = 512
    """Width of the feature that the block works on."""
    output_stride: Literal[8, 16, 32] = 8
    """Pixels of the picture per pixel of the feature; 8 is the paper's, 16 is four times cheaper."""
    skip: bool = False
    """Also give the head the backbone's stride-4 feature (not in the paper; sharpens a stride-16 network)."""
    aux: bool = True
    """Train an auxiliary head on the stage before the last."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_at_least(1, "channels")


@dataclass(frozen=True)
class DetectorConfig(NetworkConfig):
    """The detector: the body's last map goes through the block into a feature pyramid, then Faster or Mask R-CNN."""

    ga: str = "cgnl"  # over the 2048 channels of a last map `psp` has 80 million parameters, this one 8
    masks: bool = False
    """Predict a mask for each object as well (Mask R-CNN)."""
    norm: Literal["frozen", "batch"] = "frozen"
    """The backbone's batch norms: as they were pretrained, or trained (synchronised over GPUs)."""
    strides: tuple[int, ...] = (4, 8, 16, 32)
    """The pyramid's levels, in pixels of the picture; without 4 it is much cheaper, and misses the smallest."""
    fpn_channels: int = 256
    """Width of the pyramid."""
    fpn_norm: bool = False
    """Group norms in the pyramid: for backbones whose maps are far from a deviation of 1, such as EfficientNet."""
    head_channels: int = 1024
    """Width of the layers that look at one box."""
    anchors: tuple[int, ...] | None = None
    """Side of the boxes that each level starts from, in pixels; one more than strides, for the last one shrunk by 2.
    Left out, 8 times the stride."""
    proposals: int = 1000
    """Boxes that the first stage hands to the second for each picture; in training twice as many ..."""
    samples: int = 512
    """... of which it trains on this many."""
    short: tuple[int, ...] = (800,)
    """The picture's short side in pixels; training takes any of them by chance, evaluation the last."""
    longest: int = 1333
    """No side is longer than this."""
    torchvision: Path | None = None
    """Start from this file of torchvision's detector on the same ResNet (.pth, .safetensors): everything but the block,
    and what predicts another number of classes."""

    @property
    def backbone_weights(self) -> bool | Path:
        return self.weights or (self.pretrained and self.torchvision is None)  # which has the backbone's, too

    def bare(self) -> "DetectorConfig":
        return replace(super().bare(), torchvision=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("fpn_channels", "head_channels", "proposals", "samples", "longest"):
            self.require(name, _is_count(getattr(self, name)), "it must be at least 1")
        for name, values in (("strides", self.strides), ("anchors", self.anchors or (1,)), ("short", self.short)):
            self.require(name, len(values) > 0 and all(map(_is_count, values)), "it must be numbers above 0")


def _is_count(value: object) -> bool:
    return isinstance(value, Integral) and int(value) >= 1
