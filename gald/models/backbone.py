"""A timm backbone as a list of feature maps: the strides it can do, the picture sizes it takes, its mean and std."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import timm
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from gald.support.errors import UserError, nearest
from gald.support.files import check_file

STRIDES = (8, 16, 32)


def timm_backbone(
    name: str, *, output_stride: int = 32, in_channels: int = 3, pretrained: bool | str | Path = False
) -> nn.Module:
    """Build a timm model that returns its feature maps, dilated to ``output_stride`` (8, 16 or 32).

    ``pretrained``: True for timm's own weights, or the path of a .safetensors file with timm's keys (what a
    feature extractor has no use for, the classifier say, may be missing). With other than three input channels,
    timm spreads the first convolution's weights over them.

    Raises:
        UserError: a name or tag that timm doesn't know; a stride that this backbone can't be dilated to; weights that
            can't be downloaded, read, or don't fit.
    """
    _check_name(name)
    options = _options(name, output_stride)
    overlay, keys = None, None
    if pretrained and not isinstance(pretrained, bool):
        overlay, keys = {"file": str(pretrained)}, _checked(Path(pretrained))
    try:
        backbone: nn.Module = timm.create_model(
            name,
            features_only=True,
            in_chans=in_channels,
            pretrained=bool(pretrained),
            pretrained_cfg_overlay=overlay,
            **options,
        )
    except Exception as error:
        sentence = _failed(name, pretrained, error) if pretrained else None
        if sentence is None:
            raise
        raise UserError(sentence) from error
    if keys is not None:
        _check_keys(name, backbone, keys, str(pretrained))
    return backbone


def _check_name(name: str) -> None:
    base = name.split(".")[0]
    if base not in timm.list_models():
        raise UserError(f"unknown backbone {name!r}{nearest(name, timm.list_models())}")
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError:  # the tag behind the dot
        raise UserError(f"backbone {base!r} has no weights {name!r}{nearest(name, _tagged(base))}") from None


def _tagged(base: str) -> list[str]:
    return timm.list_pretrained(f"{base}.*") or [base]


def _options(name: str, output_stride: int) -> dict[str, Any]:
    """What timm must be told for this stride; a transformer at its own stride also learns to take any size."""
    if output_stride not in STRIDES:
        raise UserError(f"output_stride is {output_stride}; it must be 8, 16 or 32")
    natural = _natural(name)
    if output_stride == natural:
        return _free_size(name)
    if _dilates(name, output_stride):
        return {"output_stride": output_stride}
    can = [str(stride) for stride in STRIDES if stride == natural or _dilates(name, stride)]
    of_its = f"it can do {' and '.join(can)}" if can else "nor to another of 8, 16 and 32"
    raise UserError(
        f"backbone {name!r} can't be dilated to output stride {output_stride}; {of_its}; "
        "a ResNet, EfficientNet, MobileNet or ConvNeXt can do 8, 16 and 32"
    )


def _natural(name: str) -> int:
    """Stride of an undilated model's last map, without its memory."""
    try:
        with torch.device("meta"):
            return max(feature_strides(timm.create_model(name, features_only=True)))
    except (RuntimeError, NotImplementedError, AttributeError, TypeError) as error:
        raise UserError(f"timm has no feature maps of backbone {name!r} ({error}); take another backbone") from error


def _dilates(name: str, output_stride: int) -> bool:
    """Whether the model can be built with this stride; some families take the wish and don't follow it."""
    try:
        with torch.device("meta"):
            built = timm.create_model(name, features_only=True, output_stride=output_stride)
    except (TypeError, AssertionError, NotImplementedError):
        return False
    return max(feature_strides(built)) == output_stride


def _failed(name: str, pretrained: bool | str | Path, error: Exception) -> str | None:
    """The sentence for weights that didn't arrive or don't fit; None for what is another matter."""
    lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
    if isinstance(error, RuntimeError) and lines[0].startswith("Error(s) in loading state_dict") and len(lines) > 1:
        return f"the weights of {pretrained} don't fit backbone {name!r}: {lines[1].rstrip('.')}"
    if isinstance(error, RuntimeError) and "weight shape" in lines[0]:  # of the first convolution
        return f"the weights of {pretrained} don't fit backbone {name!r}: {lines[0]}"
    library = type(error).__module__.split(".")[0]
    absent = isinstance(error, RuntimeError) and lines[0].startswith("No pretrained weights exist")
    if pretrained is True and (absent or isinstance(error, OSError) or library in ("huggingface_hub", "httpx")):
        return (
            f"timm can't download the weights of {name} here ({lines[0].rstrip('.')}); give the backbone's weights by "
            "pretrained=FILE (--model.weights FILE), or start from random ones"
        )
    return None


def _check_keys(name: str, backbone: nn.Module, keys: Iterable[str], source: str) -> None:
    """Refuse a file that lacks what the backbone needs: timm would leave that at random without a word."""
    there = {_plain(key) for key in keys}
    own = [key for key in backbone.state_dict() if not key.endswith("num_batches_tracked")]
    missing = [key for key in own if _plain(key) not in there]
    if missing:
        more = f" (and {len(missing) - 1} more of {len(own)})" if len(missing) > 1 else ""
        raise UserError(f"the weights of {source} don't fit backbone {name!r}: {missing[0]} is missing{more}")
    deeper = _deeper(there, {_plain(key) for key in own})
    if deeper:
        raise UserError(f"the weights of {source} are of a deeper backbone than {name!r}, which has no {deeper}")


def _deeper(there: Iterable[str], own: Iterable[str]) -> str | None:
    """A numbered block that weights have and the backbone hasn't, in a row of blocks that it has: of resnet101, say.

    A row that is missing whole is none of its business: heads, and stages behind the last that is used.
    """
    modules = {key.rsplit("_", cut)[0] for key in own for cut in range(1, key.count("_") + 1)}
    for key in sorted(there):
        parts = key.split("_")
        last = max((i for i, part in enumerate(parts) if part.isdigit()), default=0)
        row, block = "_".join(parts[:last]), "_".join(parts[: last + 1])
        if last and row in modules and block not in modules:
            return block
    return None


def _plain(key: str) -> str:
    """A key as feature extractors and classifiers share it: the former write ``stages_0`` and put ``model.`` first."""
    return key.removeprefix("model.").replace(".", "_")


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


def _checked(path: Path) -> list[str]:
    """Read a weights file once before timm does, so that a bad one gives a sentence; return its keys."""
    check_file(path, "backbone weights")
    try:
        return list(load_file(path))
    except Exception as error:  # safetensors raises its own type for a file that is truncated or something else
        raise UserError(f"{path} is not a whole safetensors file ({error}); convert or fetch it again") from None


def mean_and_std(backbone: nn.Module, in_channels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation that the weights were trained with, in [0, 1], repeated over the channels."""
    settings = getattr(backbone, "pretrained_cfg", None) or {}
    mean, std = settings.get("mean", (0.485, 0.456, 0.406)), settings.get("std", (0.229, 0.224, 0.225))
    return [mean[i % 3] for i in range(in_channels)], [std[i % 3] for i in range(in_channels)]


def feature_maps(backbone: nn.Module, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
    """Run the backbone; every map comes as (B, C, h, w), also from models that keep channels last."""
    maps = backbone(x)
    if str(getattr(backbone, "output_fmt", "")).endswith("NHWC"):
        return [level.permute(0, 3, 1, 2).contiguous() for level in maps]
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
            level.shape[2:] == (math.ceil(size[0] / stride), math.ceil(size[1] / stride))
            for level, stride in zip(maps, strides, strict=True)
        )
    except (RuntimeError, AssertionError):
        rounds_up = False
    backbone.train(mode)
    return 1 if rounds_up else math.lcm(*strides)
