"""Batch norms folded into the convolutions before them: the same function with one pass over the maps less.

In evaluation ``BN(W x + b)`` is ``(s W) x + (s (b - mean) + beta)`` with ``s = gamma / sqrt(var + eps)``, so the norm
costs nothing once its numbers are in the weights. For networks that only run: do not train a folded one further.
"""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gald.block.layers import BatchNorm2d
from gald.support.errors import UserError

# Exact types: a subclass may change its weights on the way (weight standardisation) or do more than the norm.
_CONVOLUTIONS = (nn.Conv2d, Conv2dSame)
_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm, BatchNorm2d, BatchNormAct2d)


def fold_batch_norm(network: nn.Module, images: Tensor) -> nn.Module:
    """Return a copy of ``network`` with every batch norm that directly follows a convolution folded into it.

    ``images``: one input that the network takes, on its device; what they show doesn't matter, and a small one will do.
    Norms and convolutions are paired by watching them run once, not by their names or their order in the module, which
    say nothing sure about who feeds whom. What has no partner (a norm before its convolution, a convolution that is
    used twice) stays. Outputs agree but for rounding, which is checked on ``images``.

    Raises `UserError` if the network is in training mode, or if something other than the norm reads what the
    convolution gives, so that folding would change the result.
    """
    if any(module.training for module in network.modules() if isinstance(module, _NORMS)):
        raise UserError("the network is training, when batch norm depends on the batch; call network.eval() first")
    folded = copy.deepcopy(network)
    with torch.no_grad():
        for conv_name, norm_name in _pairs(network, images):
            conv, norm = folded.get_submodule(conv_name), folded.get_submodule(norm_name)
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
            folded.set_submodule(conv_name, fuse_conv_bn_eval(conv.eval(), norm))
            folded.set_submodule(norm_name, _rest(norm))
        _check_equal(_tensors(folded(images)), _tensors(network(images)))
    return folded


def _pairs(network: nn.Module, images: Tensor) -> list[tuple[str, str]]:
    """Names of (convolution, norm), each run exactly once, where the norm's input is the convolution's output."""
    names = {module: name for name, module in network.named_modules()}
    runs: Counter[nn.Module] = Counter()
    made: dict[int, tuple[nn.Module, Tensor, int]] = {}  # holds the tensors, or their ids would be given out again
    found: list[tuple[nn.Module, nn.Module]] = []

    def after_convolution(conv: nn.Module, _: object, output: Tensor) -> None:
        runs[conv] += 1
        made[id(output)] = (conv, output, output._version)

    def before_norm(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        runs[norm] += 1
        conv, _, version = made.get(id(inputs[0]), (None, None, -1))
        if conv is not None and inputs[0]._version == version:  # nothing has written into it on the way
            found.append((conv, norm))

    convolutions = [module for module in names if type(module) in _CONVOLUTIONS]
    norms = [module for module in names if type(module) in _NORMS and module.running_mean is not None]
    handles = [conv.register_forward_hook(after_convolution) for conv in convolutions]
    handles += [norm.register_forward_pre_hook(before_norm) for norm in norms]
    try:
        network(images)
    finally:
        for handle in handles:
            handle.remove()
    return [(names[conv], names[norm]) for conv, norm in found if runs[conv] == runs[norm] == 1]


def _rest(norm: nn.Module) -> nn.Module:
    """What is left of a norm: timm's has a drop-out and an activation in it."""
    rest = nn.Sequential(norm.drop, norm.act) if isinstance(norm, BatchNormAct2d) else nn.Identity()
    return rest.eval()


def _check_equal(actual: list[Tensor], expected: list[Tensor]) -> None:
    """Raise where folding changed an output by more than rounding can."""
    for ours, theirs in zip(actual, expected, strict=True):
        if (ours - theirs).abs().max() > 1e-2 * theirs.abs().max():
            raise UserError(
                "folding would change this network's output, since what a convolution gives is read by more than its "
                "norm; use the network as it is"
            )


def _tensors(output: object) -> list[Tensor]:
    """The tensors of floats in a network's output, be it a tensor or mappings and sequences of them."""
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() and output.numel() else []
    if isinstance(output, Mapping):
        output = list(output.values())
    return [leaf for each in output for leaf in _tensors(each)] if isinstance(output, Sequence) else []
