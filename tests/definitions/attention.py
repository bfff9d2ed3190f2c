"""Attention between positions (or channels), with the matrix that the modules never store."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from definitions.definition import Definitions
from definitions.layers import conv_norm, conv_norm_relu, convolved
from gald.block.aggregation.a2 import A2
from gald.block.aggregation.ann import ANN
from gald.block.aggregation.ccnet import CCNet
from gald.block.aggregation.danet import CAM, PAM, DANet
from gald.block.aggregation.nonlocal_ import NonLocal, NonLocalConcatenation, NonLocalDot, NonLocalGaussian
from gald.block.aggregation.ocnet import OCNet


def flat(*maps: Tensor) -> list[Tensor]:
    return [each.flatten(2) for each in maps]


def embedded(module: NonLocal | NonLocalDot | NonLocalConcatenation, x: Tensor) -> list[Tensor]:
    return flat(*(convolved(conv, x) for conv in (module.theta, module.phi, module.g)))


def gathered(affinity: Tensor, value: Tensor, like: Tensor) -> Tensor:
    """``sum_j affinity_ij value_j``, as a map of the size of ``like``."""
    return torch.einsum("bij,bdj->bdi", affinity, value).reshape(like.shape[0], -1, *like.shape[2:])


def literal_nonlocal(module: NonLocal, x: Tensor) -> Tensor:
    theta, phi, g = embedded(module, x)
    affinity = torch.softmax(torch.einsum("bdi,bdj->bij", theta, phi) / theta.shape[1] ** 0.5, dim=2)
    return x + conv_norm(module.project, gathered(affinity, g, x))


def literal_nonlocal_gaussian(module: NonLocalGaussian, x: Tensor) -> Tensor:
    every, g = flat(x, convolved(module.g, x))
    affinity = torch.softmax(torch.einsum("bci,bcj->bij", every, every), dim=2)
    return x + conv_norm(module.project, gathered(affinity, g, x))


def literal_nonlocal_dot(module: NonLocalDot, x: Tensor) -> Tensor:
    theta, phi, g = embedded(module, x)
    affinity = torch.einsum("bdi,bdj->bij", theta, phi) / theta.shape[2]
    return x + conv_norm(module.project, gathered(affinity, g, x))


def literal_nonlocal_concatenation(module: NonLocalConcatenation, x: Tensor) -> Tensor:
    theta, phi, g = embedded(module, x)
    for_theta, for_phi = module.pair.weight.flatten().chunk(2)
    a, b = torch.einsum("d,bdi->bi", for_theta, theta), torch.einsum("d,bdj->bj", for_phi, phi)
    affinity = F.relu(a[:, :, None] + b[:, None, :]) / theta.shape[2]
    return x + conv_norm(module.project, gathered(affinity, g, x))


def literal_a2(module: A2, x: Tensor) -> Tensor:
    a, b, v = flat(*(convolved(conv, x) for conv in (module.a, module.b, module.v)))
    affinity = torch.einsum("bni,bnj->bij", v.softmax(1), b.softmax(2))
    return x + convolved(module.project, gathered(affinity, a, x))


def literal_ccnet(module: CCNet, x: Tensor) -> Tensor:
    """Rows and columns as batches of lines, as the released code has them."""
    batch, channels, height, width = x.shape
    for _ in range(module.recurrence):
        maps = [convolved(conv, x) for conv in (module.query, module.key, module.value)]
        rows = [each.permute(0, 2, 1, 3).reshape(batch * height, -1, width) for each in maps]
        columns = [each.permute(0, 3, 1, 2).reshape(batch * width, -1, height) for each in maps]
        along_row = rows[0].transpose(1, 2) @ rows[1]
        along_column = columns[0].transpose(1, 2) @ columns[1]
        along_column = along_column - torch.full((height,), torch.inf, dtype=x.dtype, device=x.device).diag()
        energy = [
            along_row.reshape(batch, height, width, width),
            along_column.reshape(batch, width, height, height).transpose(1, 2),
        ]
        in_row, in_column = torch.cat(energy, dim=3).softmax(3).split([width, height], dim=3)
        in_row = in_row.reshape(batch * height, width, width)
        in_column = in_column.transpose(1, 2).reshape(batch * width, height, height)
        from_row = (rows[2] @ in_row.transpose(1, 2)).reshape(batch, height, channels, width).permute(0, 2, 1, 3)
        from_column = columns[2] @ in_column.transpose(1, 2)
        from_column = from_column.reshape(batch, width, channels, height).permute(0, 2, 3, 1)
        x = x + module.gamma * (from_row + from_column)
    return x


def literal_pam(module: PAM, x: Tensor) -> Tensor:
    query, key, value = flat(*(convolved(conv, x) for conv in (module.query, module.key, module.value)))
    affinity = torch.softmax(torch.einsum("bdi,bdj->bij", query, key), dim=2)
    return x + module.gamma * gathered(affinity, value, x)


def literal_cam(module: CAM, x: Tensor) -> Tensor:
    (channels,) = flat(x)
    energy = torch.einsum("bcn,bdn->bcd", channels, channels)
    attention = torch.softmax(energy.amax(2, keepdim=True) - energy, dim=2)
    return x + module.gamma * torch.einsum("bcd,bdn->bcn", attention, channels).reshape(x.shape)


def literal_danet(module: DANet, x: Tensor) -> Tensor:
    before, attention, after = module.by_position
    by_position = conv_norm_relu(after, literal_pam(attention, conv_norm_relu(before, x, 3)), 3)
    before, attention, after = module.by_channel
    return by_position + conv_norm_relu(after, literal_cam(attention, conv_norm_relu(before, x, 3)), 3)


def literal_ocnet(module: OCNet, x: Tensor) -> Tensor:
    query, value = flat(conv_norm_relu(module.query, x), convolved(module.value, x))
    return object_context(module, x, query, query, value)


def literal_ann(module: ANN, x: Tensor, bins: tuple[int, ...] = (1, 3, 6, 8)) -> Tensor:
    def cells(each: Tensor) -> Tensor:
        return torch.cat([F.adaptive_avg_pool2d(each, side).flatten(2) for side in bins], dim=2)

    query, value = conv_norm_relu(module.query, x), convolved(module.value, x)
    return object_context(module, x, query.flatten(2), cells(query), cells(value))


def object_context(module: OCNet, x: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    affinity = torch.softmax(torch.einsum("bdi,bdj->bij", query, key) / key.shape[1] ** 0.5, dim=2)
    context = convolved(module.project, gathered(affinity, value, x))
    return conv_norm_relu(module.fuse, torch.cat([context, x], dim=1))


DEFINITIONS: Definitions = {
    "nonlocal": (lambda: NonLocal(16), literal_nonlocal),
    "nonlocal_gaussian": (lambda: NonLocalGaussian(16), literal_nonlocal_gaussian),
    "nonlocal_dot": (lambda: NonLocalDot(16), literal_nonlocal_dot),
    "nonlocal_concatenation": (lambda: NonLocalConcatenation(16), literal_nonlocal_concatenation),
    "a2": (lambda: A2(16), literal_a2),
    "ccnet": (lambda: CCNet(16), literal_ccnet),
    "ccnet-once": (lambda: CCNet(16, reduction=2, recurrence=1), literal_ccnet),
    "pam": (lambda: PAM(16), literal_pam),
    "pam-wide-keys": (lambda: PAM(16, reduction=1), literal_pam),
    "cam": (lambda: CAM(16), literal_cam),
    "danet": (lambda: DANet(16), literal_danet),
    "ocnet": (lambda: OCNet(16), literal_ocnet),
    "ann": (lambda: ANN(16), literal_ann),
    "ann-bins-5-2": (lambda: ANN(16, reduction=4, bins=(5, 2)), partial(literal_ann, bins=(5, 2))),
}

BLIND: set[str] = {
    "nonlocal",
    "nonlocal_gaussian",
    "nonlocal_dot",
    "nonlocal_concatenation",
    "a2",
    "pam",
    "cam",
    "ocnet",
}
