"""Start a detector from torchvision's: from a file of its weights, a state dict, or the network."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn
from torchvision.ops.misc import FrozenBatchNorm2d

from gald.models.detection.detectors import FasterDetector
from gald.models.state_dict import checked_state_dict, read_weights
from gald.support.errors import UserError

# Keys of before torchvision 0.13, in which the checkpoints that it offers are still written
OLD = (
    (re.compile(r"^(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$"), r"\1.0.\2"),
    (re.compile(r"^rpn\.head\.conv\.(weight|bias)$"), r"rpn.head.conv.0.0.\1"),
)
OLD_MASK = re.compile(r"^roi_heads\.mask_head\.mask_fcn(\d+)\.(weight|bias)$")
PREDICTORS = ("roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn_logits.")
MASKS = "roi_heads.mask_"
COUNTER = "num_batches_tracked"
EPS = 1e-5


def load_torchvision(network: FasterDetector, source: nn.Module | Mapping[str, Tensor] | str | Path) -> tuple[str, ...]:
    """Give a detector of ours the weights of torchvision's on the same backbone, and return what they left untouched.

    Everything is loaded but the block, which starts as the identity: what comes out is what torchvision's network gives
    (to rounding). Of another number of classes, the layers that predict one value for each class stay as they were
    initialised, and so does a mask head that the source hasn't; their names come back, with the block's. A mask head
    that ``network`` hasn't is left out.

    torchvision's COCO_V1 checkpoints were trained with frozen batch norms without an epsilon, which no file says. In a
    network it is read; a state dict or file is taken for such a one if its keys are written as before torchvision 0.13,
    as those checkpoints' are. The difference goes into the norms' weights, so a saved network keeps it.

    Args:
        network: of `gald.faster_rcnn` or `gald.mask_rcnn`; changed in place.
        source: ``fasterrcnn_resnet50_fpn``, ``maskrcnn_resnet50_fpn`` or one made by ``resnet_fpn_backbone``, its state
            dict, or a .pth or .safetensors file of that (or of torchvision's training script, which has it under
            "model"). Nothing in a file is executed.

    Returns:
        Names of the network's tensors that the source has nothing for, in order.

    Raises:
        UserError: no such file, a file that holds something else, weights of another network.

    >>> import torchvision, gald
    >>> theirs = torchvision.models.detection.fasterrcnn_resnet50_fpn(weights="COCO_V1")  # doctest: +SKIP
    >>> load_torchvision(gald.faster_rcnn("resnet50", num_classes=90), theirs)  # doctest: +SKIP
    """
    weights, eps = _read(source)
    own = network.state_dict()
    taken = {key: weights[key] for key in own if key in weights and weights[key].shape == own[key].shape}
    fresh = tuple(key for key in own if key not in taken and not key.endswith(COUNTER))
    _refuse_others(own, weights, fresh)
    if eps != EPS:
        taken |= _with_our_epsilon(taken, eps)
    network.load_state_dict(taken, strict=False)
    return fresh


def _refuse_others(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], fresh: tuple[str, ...]) -> None:
    """Only the block, the predictors and the mask head may go without weights, and only the mask head be too much."""
    missing = [key for key in fresh if not _may_stay(key, key in weights, weights)]
    unknown = [key for key in weights if key not in own and not key.endswith(COUNTER) and not key.startswith(MASKS)]
    if not missing and not unknown:
        return
    if missing and missing[0] in weights:
        key = missing[0]
        what = f"{key} is {tuple(weights[key].shape)} there and {tuple(own[key].shape)} here"
    else:
        what = f"{missing[0]} is missing there" if missing else f"{unknown[0]} is unknown here"
    raise UserError(
        f"these are weights of another network: {what} ({len(missing)} missing or of another shape, {len(unknown)} "
        "unknown); what fits is torchvision's Faster or Mask R-CNN with this ResNet, FPN of 256 channels, strides "
        "(4, 8, 16, 32)"
    )


def _may_stay(key: str, there: bool, weights: Mapping[str, Tensor]) -> bool:
    if key.startswith("backbone.block."):
        return True
    if there:
        return key.startswith(PREDICTORS)  # of another number of classes
    return key.startswith(MASKS) and not any(name.startswith(MASKS) for name in weights)


def _read(source: nn.Module | Mapping[str, Tensor] | str | Path) -> tuple[dict[str, Tensor], float]:
    """The weights by today's keys, and the epsilon that their frozen norms were trained with."""
    if isinstance(source, nn.Module):
        frozen = [norm.eps for norm in source.modules() if isinstance(norm, FrozenBatchNorm2d)]
        return dict(source.state_dict()), frozen[0] if frozen else EPS
    if isinstance(source, Mapping):
        found = checked_state_dict(source, "this")
    else:
        content = read_weights(Path(source))
        if isinstance(content, Mapping):
            content = content.get("model", content)  # torchvision's training script keeps its optimizer beside it
        found = checked_state_dict(content, str(source))
    weights = {_today(key): value for key, value in found.items()}
    return weights, EPS if weights.keys() == found.keys() else 0.0


def _today(key: str) -> str:
    for pattern, new in OLD:
        key = pattern.sub(new, key)
    return OLD_MASK.sub(lambda match: f"roi_heads.mask_head.{int(match[1]) - 1}.0.{match[2]}", key)


def _with_our_epsilon(weights: Mapping[str, Tensor], eps: float) -> dict[str, Tensor]:
    """The weights of the backbone's norms, for which ``w * x / sqrt(v + 1e-5)`` is what it was with ``eps``."""
    changed = {}
    for key, variance in weights.items():
        if key.startswith("backbone.body.") and key.endswith(".running_var"):
            name = key.removesuffix("running_var") + "weight"
            ratio = ((variance.double() + EPS) / (variance.double() + eps)).sqrt()
            changed[name] = (weights[name].double() * ratio).to(weights[name].dtype)
    return changed
