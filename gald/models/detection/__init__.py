"""Detectors with GALD: Faster R-CNN and Mask R-CNN on a feature pyramid over any timm backbone.

Ren, He, Girshick, Sun: Faster R-CNN, NeurIPS 2015. He, Gkioxari, Dollar, Girshick: Mask R-CNN, ICCV 2017. With GALD
under the pyramid: Li et al., BMVC 2019 (arXiv 1909.07229), Tables 3a and 3b, whose detection code was never released.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from gald.models.detection.detectors import FasterDetector, MaskDetector, Sealed, box_parts, mask_parts
from gald.models.detection.preparation import Preparation
from gald.models.detection.pyramid import Pyramid
from gald.models.detection.weights import load_torchvision

__all__ = ["FasterDetector", "MaskDetector", "Sealed", "faster_rcnn", "load_torchvision", "mask_rcnn"]


def faster_rcnn(
    backbone: str = "resnet50",
    num_classes: int = 20,
    *,
    ga: str | nn.Module = "psp",
    ld: str | nn.Module = "mask",
    order: str = "ga-ld",
    reduce: int = 2,
    pretrained: bool | str | Path = False,
    norm: str | None = None,
    strides: tuple[int, ...] = (4, 8, 16, 32),
    fpn_channels: int = 256,
    fpn_norm: bool = False,
    head_channels: int = 1024,
    anchors: tuple[int, ...] | None = None,
    short: int | tuple[int, ...] = 800,
    longest: int = 1333,
    resize: bool = True,
    proposals: int = 1000,
    samples: int = 512,
    detections: int = 100,
    least_score: float = 0.05,
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
        ga: the block's global aggregation, as in `gald.GALD`: a name, or a module of the width of the
            backbone's last map.
        ld: its local distribution, likewise.
        order: their order; a 1x1 convolution halves what "parallel" doubles.
        reduce: the aggregation works on the map shrunk by this power of two.
        pretrained: True for timm's weights of the backbone, or the path of a .safetensors file.
        norm: "frozen" fixes the backbone's batch norms in training too (pictures of this size leave room for a few on a
            device), "batch" trains them; by default frozen where the backbone is pretrained.
        strides: the pyramid's levels, each twice the one before; (8, 16, 32) saves most of the work of the heads, and
            (4, 8, 16) dilates the backbone's last stage.
        fpn_channels: width of the pyramid, and of the mask head.
        fpn_norm: group norms in the pyramid, for a backbone whose maps are far from a deviation of 1: those of
            EfficientNet have 5 to 8, and heads on such numbers learn badly or not at all. torchvision has none.
        head_channels: width of the two layers that look at one box.
        anchors: side in pixels of the boxes that each level starts from, one more than levels, for the last one shrunk
            by 2; by default 8 times the stride.
        short: side that the picture's shorter side is resized to; of several training takes one by chance, evaluation
            the last.
        longest: no side is resized to more than this.
        resize: False takes training pictures as they come, resized by whoever augmented them.
        proposals: boxes that the first stage hands to the second for each picture, in training twice as many.
        samples: of these, how many the second stage trains on.
        detections: no more than these come out for a picture.
        least_score: less sure ones don't.

    Raises:
        UserError: an unknown name, a backbone without these strides, a number that can't be; when it runs, pictures or
            targets that are not as above.

    >>> import torch
    >>> net = faster_rcnn("resnet18", num_classes=3, short=96).eval()
    >>> sorted(net([torch.zeros(3, 60, 80)])[0])
    ['boxes', 'labels', 'scores']
    """
    pyramid = _pyramid(backbone, ga, ld, order, reduce, pretrained, norm, strides, fpn_channels, fpn_norm)
    preparation = Preparation(short, longest, pyramid, resize)
    parts = box_parts(pyramid, num_classes, head_channels, anchors, proposals, samples, detections, least_score)
    return FasterDetector(num_classes, pyramid, preparation, parts)


def mask_rcnn(
    backbone: str = "resnet50",
    num_classes: int = 80,
    *,
    ga: str | nn.Module = "psp",
    ld: str | nn.Module = "mask",
    order: str = "ga-ld",
    reduce: int = 2,
    pretrained: bool | str | Path = False,
    norm: str | None = None,
    strides: tuple[int, ...] = (4, 8, 16, 32),
    fpn_channels: int = 256,
    fpn_norm: bool = False,
    head_channels: int = 1024,
    anchors: tuple[int, ...] | None = None,
    short: int | tuple[int, ...] = 800,
    longest: int = 1333,
    resize: bool = True,
    proposals: int = 1000,
    samples: int = 512,
    detections: int = 100,
    least_score: float = 0.05,
) -> MaskDetector:
    """Build Mask R-CNN with a GALD block on the backbone's last map: `faster_rcnn` and a mask of each object.

    Targets also have ``"masks"``, bool or uint8 (N, H, W); in training a fifth loss comes out, else ``"masks"``, float
    (M, 1, H, W): how sure a pixel is of the object, in [0, 1]. Arguments and errors are those of `faster_rcnn`.
    """
    pyramid = _pyramid(backbone, ga, ld, order, reduce, pretrained, norm, strides, fpn_channels, fpn_norm)
    preparation = Preparation(short, longest, pyramid, resize)
    parts = box_parts(pyramid, num_classes, head_channels, anchors, proposals, samples, detections, least_score)
    return MaskDetector(num_classes, pyramid, preparation, parts | mask_parts(pyramid, num_classes))


def _pyramid(
    backbone: str,
    ga: str | nn.Module,
    ld: str | nn.Module,
    order: str,
    reduce: int,
    pretrained: bool | str | Path,
    norm: str | None,
    strides: tuple[int, ...],
    channels: int,
    normed: bool,
) -> Pyramid:
    norm = ("frozen" if pretrained else "batch") if norm is None else norm
    block = {"ga": ga, "ld": ld, "order": order, "reduce": reduce}
    return Pyramid(backbone, block, pretrained=pretrained, norm=norm, strides=strides, channels=channels, normed=normed)
