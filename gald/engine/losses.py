"""Pixel losses: cross entropy, its hard-example form (OHEM), and the sum that trains a segmentation network.

OHEM as in Shrivastava, Gupta and Girshick, "Training Region-based Object Detectors with Online Hard Example Mining",
CVPR 2016, arXiv 1604.03540, in the per-pixel form that GALD (Li et al., BMVC 2019, arXiv 1909.07229) was trained with.

A target holds train ids; ``ignore_index`` marks pixels that don't count. Any other value outside ``[0, K)`` is not
looked for here (that would wait for the device at every step): the data sets check their labels when they read them.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from gald.support.errors import UserError


def cross_entropy(
    logits: Float[Tensor, "b k h w"],
    target: Int64[Tensor, "n i j"],
    *,
    ignore_index: int = 255,
    weight: Float[Tensor, " k"] | None = None,
) -> Float[Tensor, ""]:
    """Mean cross entropy in nats over the valid pixels, weighted by ``weight[class]`` if given.

    A batch without a valid pixel gives 0, still attached to the graph, where PyTorch's own function gives NaN.
    Half-precision logits are computed in float32. Raises `UserError` if ``target`` isn't as large as ``logits``.
    """
    nats = _nats(logits, target, ignore_index)
    return _mean_over(nats, target, target != ignore_index, weight)


def ohem_cross_entropy(
    logits: Float[Tensor, "b k h w"],
    target: Int64[Tensor, "n i j"],
    threshold: float = 0.7,
    min_kept: int = 100_000,
    ignore_index: int = 255,
    weight: Float[Tensor, " k"] | None = None,
) -> Float[Tensor, ""]:
    """Mean cross entropy in nats over the hard pixels of the whole batch (of one process).

    Hard is a valid pixel whose true class has a probability of at most ``max(threshold, q)``, ``q`` the
    ``min_kept``-th smallest probability: pixels under ``threshold``, or the ``min_kept`` hardest if those are more.
    Every valid pixel counts if ``min_kept`` is 0 or there are fewer than that. Otherwise as `cross_entropy`.
    """
    nats = _nats(logits, target, ignore_index)
    return _mean_over(nats, target, _hard(nats.detach(), target != ignore_index, threshold, min_kept), weight)


def segmentation_loss(
    output: Mapping[str, Tensor],
    target: Int64[Tensor, "b h w"],
    *,
    aux_weight: float = 0.4,
    ohem: bool = True,
    threshold: float = 0.7,
    min_kept: int = 100_000,
    ignore_index: int = 255,
    weight: Float[Tensor, " k"] | None = None,
    align_corners: bool = False,
) -> dict[str, Tensor]:
    """Return ``{"loss", "main"}``, and ``"aux"`` if the network gave one: scalars, ``loss = main + aux_weight * aux``.

    ``output`` is ``{"out": (B, K, h, w)[, "aux": (B, K, h', w')]}``; logits of another size than the target are resized
    to it bilinearly. The auxiliary head never mines, whatever ``ohem`` says. The criterion released with GALD is
    ``align_corners=True``.
    """
    main = _resized(output["out"], target, align_corners)
    if ohem:
        losses = {"main": ohem_cross_entropy(main, target, threshold, min_kept, ignore_index, weight)}
    else:
        losses = {"main": cross_entropy(main, target, ignore_index=ignore_index, weight=weight)}
    losses["loss"] = losses["main"]
    if "aux" in output:
        aux = _resized(output["aux"], target, align_corners)
        losses["aux"] = cross_entropy(aux, target, ignore_index=ignore_index, weight=weight)
        losses["loss"] = losses["main"] + aux_weight * losses["aux"]
    return losses


def _nats(
    logits: Float[Tensor, "b k h w"], target: Int64[Tensor, "n i j"], ignore_index: int
) -> Float[Tensor, "b h w"]:
    """Cross entropy of every pixel, 0 where ignored."""
    if (logits.shape[0], *logits.shape[2:]) != tuple(target.shape):
        raise UserError(
            f"logits {tuple(logits.shape)} and target {tuple(target.shape)} are of different sizes; resize the logits "
            "to the target first (segmentation_loss does)"
        )
    return F.cross_entropy(_at_least_float32(logits), target, ignore_index=ignore_index, reduction="none")


@torch.no_grad()
def _hard(
    nats: Float[Tensor, "b h w"], valid: Bool[Tensor, "b h w"], threshold: float, min_kept: int
) -> Bool[Tensor, "b h w"]:
    """The pixels that OHEM keeps."""
    if min_kept <= 0:
        return valid
    probability = torch.exp(-nats)  # of the true class; exactly 1 where ignored, which no valid pixel exceeds
    # "not easier" instead of "at most": a NaN is kept, so that a run that diverged shows it
    hard = valid & ~(probability > threshold)
    if int(hard.sum()) >= min_kept:  # the common case needs no order at all
        return hard
    if int(valid.sum()) < min_kept:
        return valid
    smallest = probability.flatten().topk(min_kept, largest=False, sorted=False).values
    return valid & ~(probability > smallest.max())


def _mean_over(
    nats: Float[Tensor, "b h w"],
    target: Int64[Tensor, "b h w"],
    kept: Bool[Tensor, "b h w"],
    weight: Float[Tensor, " k"] | None,
) -> Float[Tensor, ""]:
    """Mean of ``nats`` over the kept pixels, each weighted by its class; 0 where nothing is kept."""
    share = kept.to(nats.dtype)
    if weight is not None:
        share = share * weight.to(nats)[target.masked_fill(~kept, 0)]
    total = share.sum()
    return (nats * share).sum() / torch.where(total > 0, total, 1.0)


def _resized(logits: Float[Tensor, "b k i j"], target: Int64[Tensor, "b h w"], align_corners: bool) -> Tensor:
    size = target.shape[1:]
    if logits.shape[2:] == size:
        return logits
    return F.interpolate(_at_least_float32(logits), size, mode="bilinear", align_corners=align_corners)


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
