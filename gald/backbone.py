"""A timm backbone as a list of feature maps: the strides it can do, the picture sizes it takes, its mean and std."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import timm
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from gald.errors import UserError, nearest


def timm_backbone(
    name: str, *, output_stride: int | None = 32, in_channels: int = 3, pretrained: bool | str | Path = False
) -> nn.Module:
    """Build a timm model that returns its feature maps, dilated to ``output_stride``.

    ``pretrained``: True for timm's own weights, or the path of a .safetensors file with timm's keys (what a
    feature extractor has no use for, the classifier say, may be missing). With other than three input channels,
    timm spreads the first convolution's weights over them.
    """
    if name not in timm.list_models() and name.split(".")[0] not in timm.list_models():
        raise UserError(f"unknown backbone {name!r}{nearest(name, timm.list_models())}")
    overlay = {}
    if pretrained and not isinstance(pretrained, bool):
        overlay = {"file": str(_checked(Path(pretrained)))}

    def create(**options: Any) -> nn.Module:
        weights: dict[str, Any] = {"pretrained": bool(pretrained), "pretrained_cfg_overlay": overlay or None}
        return timm.create_model(name, features_only=True, in_chans=in_channels, **weights, **options)

    natural = _natural(name)
    if output_stride == max(natural):
        return create(**_free_size(name))
    try:
        return create(output_stride=output_stride)
    except (TypeError, AssertionError, NotImplementedError):
        can = ", ".join(str(each) for each in sorted(set(natural)))
        raise UserError(
            f"backbone {name!r} can't be dilated to output stride {output_stride}: its maps have strides {can}; "
            f"use output_stride={max(natural)} or a ResNet, EfficientNet, MobileNet or ConvNeXt"
        ) from None
    except RuntimeError as error:
        raise UserError(f"the weights don't fit backbone {name!r}: {str(error).splitlines()[0]}") from error


def _natural(name: str) -> list[int]:
    """Strides of the maps of an undilated model, without its memory."""
    with torch.device("meta"):
        return feature_strides(timm.create_model(name, features_only=True))


def feature_strides(backbone: nn.Module) -> list[int]:
    """Pixels of the picture per pixel of each map."""
    info: Any = backbone.feature_info
    return list(info.reduction())


def feature_channels(backbone: nn.Module) -> list[int]:
    """Channels of each map."""
    info: Any = backbone.feature_info
    return list(info.channels())


def _free_size(name: str) -> dict[str, Any]:
    """The switch by which timm's transformers take pictures of any size, where there is one."""
    switches: list[dict[str, Any]] = [{"strict_img_size": False}, {"dynamic_img_size": True}]
    for switch in switches:
        try:
            with torch.device("meta"):
                timm.create_model(name, features_only=True, **switch)
        except TypeError:
            continue
        return switch
    return {}


def _checked(path: Path) -> Path:
    """Read a weights file once before timm does, so that a bad one gives a sentence."""
    if not path.is_file():
        raise UserError(f"no backbone weights at {path}")
    try:
        load_file(path)
    except Exception as error:  # safetensors raises its own type for a file that is truncated or something else
        raise UserError(f"{path} is not a whole safetensors file ({error}); convert or fetch it again") from None
    return path


def mean_and_std(backbone: nn.Module, in_channels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation that the weights were trained with, in [0, 1], repeated over the channels."""
    settings = getattr(backbone, "pretrained_cfg", None) or {}
    mean, std = settings.get("mean", (0.485, 0.456, 0.406)), settings.get("std", (0.229, 0.224, 0.225))
    return [mean[i % 3] for i in range(in_channels)], [std[i % 3] for i in range(in_channels)]


def feature_maps(backbone: nn.Module, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
    """Run the backbone; every map comes as (B, C, h, w), also from models that keep channels last."""
    maps = backbone(x)
    if str(getattr(backbone, "output_fmt", "")).endswith("NHWC"):
        return [each.permute(0, 3, 1, 2).contiguous() for each in maps]
    return list(maps)


@torch.no_grad()
def divisor(backbone: nn.Module, in_channels: int) -> int:
    """What a picture's sides must divide by: 1 where the maps' sizes are rounded up, else the largest stride.

    Found by running the backbone once on an odd size: some families round down (and see nothing of a 1x1 picture),
    some refuse.
    """
    strides = feature_strides(backbone)
    mode, size = backbone.training, (33, 65)
    backbone.eval()
    try:
        maps = feature_maps(backbone, torch.zeros(1, in_channels, *size))
        rounds_up = all(
            each.shape[2:] == (math.ceil(size[0] / stride), math.ceil(size[1] / stride))
            for each, stride in zip(maps, strides, strict=True)
        )
    except (RuntimeError, AssertionError):
        rounds_up = False
    backbone.train(mode)
    return 1 if rounds_up else math.lcm(*strides)
