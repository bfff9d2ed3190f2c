"""Detectors with GALD: Faster R-CNN and Mask R-CNN on a feature pyramid over any timm backbone.

Ren, He, Girshick, Sun: Faster R-CNN, NeurIPS 2015. He, Gkioxari, Dollar, Girshick: Mask R-CNN, ICCV 2017. With GALD
under the pyramid: Li et al., BMVC 2019 (arXiv 1909.07229), Tables 3a and 3b, whose detection code was never released.
"""

from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from torch import nn

from gald.config.checks import SettingError
from gald.config.network import DetectorConfig
from gald.models.detection.detectors import FasterDetector, MaskDetector, UncastTargets
from gald.models.detection.weights import load_torchvision
from gald.support.errors import UserError, lookup

__all__ = [
    "DetectorOptions",
    "FasterDetector",
    "MaskDetector",
    "UncastTargets",
    "faster_rcnn",
    "from_config",
    "load_torchvision",
    "mask_rcnn",
]

DetectorT = TypeVar("DetectorT", bound=FasterDetector)


class DetectorOptions(TypedDict, total=False):
    """The keyword arguments of `faster_rcnn` and `mask_rcnn`, explained there.

    What is left out is as in `gald.config.network.DetectorConfig`.
    """

    ga: str | nn.Module
    ld: str | nn.Module
    order: str
    reduce: int
    pretrained: bool | str | Path
    norm: Literal["frozen", "batch"] | None
    strides: tuple[int, ...]
    fpn_channels: int
    fpn_norm: bool
    head_channels: int
    anchors: tuple[int, ...] | None
    short: int | tuple[int, ...]
    longest: int
    resize: bool
    proposals: int
    samples: int
    detections: int
    least_score: float


def faster_rcnn(
    backbone: str = "resnet50", num_classes: int | None = None, **options: Unpack[DetectorOptions]
) -> FasterDetector:
    """Build Faster R-CNN with a GALD block on the backbone's last map, under the feature pyramid.

    It is used as torchvision's is. In: a list of RGB pictures (3, H, W), each of its own size, float in [0, 1] or
    uint8, and in training a list of ``{"boxes": float (N, 4), "labels": int64 (N,) from 1 to K}``, boxes as x1, y1,
    x2, y2 in pixels, N from 0. Out: in training four losses by name; else, for each picture, ``{"boxes": (M, 4),
    "labels": (M,), "scores": (M,)}``, best first.

    The block starts as the identity (see `gald.models.plug.Plug`); with ``ga="none", ld="none"`` there is none, and
    the network is torchvision's. The paper's baselines are that and ``order="ga"`` with ``ga="nonlocal"`` or "cgnl".

    Args:
        backbone: a timm model name; it must have a map of each of ``strides``.
        num_classes: K, without the background.
        **options: by keyword, each with its default in brackets:

            - ``ga``: the block's global aggregation, as in `gald.GALD`: a name ("cgnl" by default), or a module of the
              width of the backbone's last map.
            - ``ld``: its local distribution, likewise ("mask").
            - ``order``: their order ("ga-ld"); a 1x1 convolution halves what "parallel" doubles.
            - ``reduce``: the aggregation works on the map shrunk by this power of two (2).
            - ``pretrained``: True for timm's weights of the backbone, or the path of a .safetensors file.
            - ``norm``: "frozen" fixes the backbone's batch norms in training too (pictures of this size leave room for
              a few on a device), "batch" trains them; by default frozen where the backbone is pretrained.
            - ``strides``: the pyramid's levels, each twice the one before ((4, 8, 16, 32)); (8, 16, 32) saves most of
              the heads' work, and (4, 8, 16) dilates the backbone's last stage.
            - ``fpn_channels``: width of the pyramid, and of the mask head (256).
            - ``fpn_norm``: group norms in the pyramid, for a backbone whose maps are far from a deviation of 1: those
              of EfficientNet have 5 to 8, and heads on such numbers learn badly or not at all. torchvision has none.
            - ``head_channels``: width of the two layers that look at one box (1024).
            - ``anchors``: side in pixels of the boxes that each level starts from, one more than levels, for the last
              one shrunk by 2; by default 8 times the stride.
            - ``short``: side that the picture's shorter side is resized to (800); of several training takes one by
              chance, evaluation the last.
            - ``longest``: no side is resized to more than this (1333).
            - ``resize``: False takes training pictures as they come, resized by whoever augmented them.
            - ``proposals``: boxes that the first stage hands to the second for each picture (1000), in training twice
              as many.
            - ``samples``: of these, how many the second stage trains on (512).
            - ``detections``: no more than these come out for a picture (100).
            - ``least_score``: less sure ones don't (0.05).

    Raises:
        UserError: an unknown name, a backbone without these strides, a number that can't be; when it runs, pictures or
            targets that are not as above.

    >>> import torch
    >>> net = faster_rcnn("resnet18", num_classes=3, short=96).eval()
    >>> sorted(net([torch.zeros(3, 60, 80)])[0])
    ['boxes', 'labels', 'scores']
    """
    return _build(FasterDetector, backbone, num_classes, options)


def mask_rcnn(
    backbone: str = "resnet50", num_classes: int | None = None, **options: Unpack[DetectorOptions]
) -> MaskDetector:
    """Build Mask R-CNN with a GALD block on the backbone's last map: `faster_rcnn` and a mask of each object.

    Targets also have ``"masks"``, bool or uint8 (N, H, W); in training a fifth loss comes out, else ``"masks"``, float
    (M, 1, H, W): how sure a pixel is of the object, in [0, 1]. Arguments and errors are those of `faster_rcnn`.
    """
    return _build(MaskDetector, backbone, num_classes, options)


def from_config(config: DetectorConfig, num_classes: int, **options: Any) -> FasterDetector:
    """Build the detector of a run's settings; ``options`` are those of `FasterDetector` that settings don't have."""
    return (MaskDetector if config.masks else FasterDetector)(config, num_classes, **options)


def _build(detector: type[DetectorT], backbone: str, num_classes: int | None, options: DetectorOptions) -> DetectorT:
    """The settings that the keyword arguments mean, and the detector of these settings."""
    if num_classes is None:
        raise UserError("num_classes is missing: how many classes there are, without the background")
    given: dict[str, Any] = dict(options)
    for name in given:
        lookup(DetectorOptions.__annotations__, name, "argument of a detector")
    modules = {part: given.pop(part) for part in ("ga", "ld") if isinstance(given.get(part), nn.Module)}
    beside = {name: given.pop(name) for name in ("resize", "detections", "least_score") if name in given}
    return detector(_config(backbone, detector.masks, **given), num_classes, **modules, **beside)


def _config(
    backbone: str,
    masks: bool,
    *,
    pretrained: bool | str | Path = False,
    norm: Literal["frozen", "batch"] | None = None,
    short: int | tuple[int, ...] = DetectorConfig.short,
    **settings: Any,
) -> DetectorConfig:
    try:
        return DetectorConfig(
            backbone=backbone,
            masks=masks,
            pretrained=pretrained is True,
            weights=Path(pretrained) if pretrained and not isinstance(pretrained, bool) else None,
            norm=norm or ("frozen" if pretrained else "batch"),
            short=short if isinstance(short, tuple) else (short,),
            **settings,
        )
    except SettingError as error:  # whose name is that of a run's setting
        raise UserError(f"{error.setting.removeprefix(DetectorConfig.prefix)} {error.wrong}") from None
