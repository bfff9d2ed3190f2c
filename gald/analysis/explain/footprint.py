"""The gradient footprint of one place: how much its output changes with the input at every place of a map.

The strength at position j is the Frobenius norm of d out(place) / d in(j), over all channels of both: for a block what
the effective receptive field of Luo et al. (NIPS 2016, arXiv 1701.04128) is for a network. It needs a picture, since
attention depends on what is there, but no training: `features` and `seeded` stand in for it.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

PATCH = 8  # pixels a side of what becomes one position
PROBES = 32  # gradients that are taken; exact up to so many channels of output
AT_ONCE = 2**22  # numbers in a batch of copies of the map


@dataclass(frozen=True)
class Reach:
    """A footprint in numbers."""

    own: float
    """Share of the summed gradient that lies on the place itself."""
    strong: float
    """Share of the other positions with more than 1e-3 of the largest strength among them."""
    half: float
    """Share of the other positions that hold half of the gradient outside of the place, the strongest first."""
    radius: float
    """Of the circle around the place, in positions, that holds 90 % of the summed gradient."""


def features(image: UInt8[Tensor, "3 h w"], channels: int = 32) -> Float[Tensor, "{channels} i j"]:
    """Features that follow the picture without a trained network: its 8x8 patches on ``channels`` directions.

    A fixed random orthogonal projection keeps alike patches alike. Each channel is then brought to mean 0 and deviation
    1 over the picture and rectified, as the features are that a network hands to the block (with a mean of 0, modules
    that pool would pool nothing). The last rows and columns are filled by repetition. ``channels`` is at most 192.
    """
    height, width = image.shape[1:]
    filled = F.pad(image[None] / 255, (0, -width % PATCH, 0, -height % PATCH), mode="replicate")
    generator = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(3 * PATCH**2, channels, generator=generator)).Q
    maps = F.conv2d(filled, directions.T.reshape(channels, 3, PATCH, PATCH).contiguous(), stride=PATCH)[0]
    deviation, mean = torch.std_mean(maps, (1, 2), keepdim=True, correction=0)
    return F.relu((maps - mean) / deviation.clamp(min=1e-5))


def seeded(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give a module weights that show what it can hear, in place: the first ones often make it the identity.

    Matrices and convolutions are drawn anew so that each hands on its input's variance; where a norm's scale or a gate
    is zero at first, it becomes one. Biases and whatever else is no weight stay.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, (weight.shape[0] / max(1, weight.numel())) ** 0.5, generator=generator)
            elif not name.endswith("bias") and not weight.any():
                weight.fill_(1)
    return module


def footprint(block: nn.Module, x: Float[Tensor, "c h w"], place: tuple[int, int]) -> Float[Tensor, "h w"]:
    """The strength with which each position of ``x`` is heard at ``place`` (row, column) of ``block(x)``.

    A block that is in evaluation doesn't mix the pictures of a batch, so a batch of copies of the map gives a gradient
    for each channel. Beyond `PROBES` channels it is estimated from as many random mixtures of them.
    """
    row, column = place
    with torch.no_grad():
        channels = block(x[None]).shape[1]
    total = torch.zeros_like(x[0])
    for probes in torch.split(_probes(channels).to(x), max(1, AT_ONCE // x.numel())):
        copies = x.detach().expand(len(probes), -1, -1, -1).clone().requires_grad_()
        heard = block(copies)[:, :, row, column]
        (gradient,) = torch.autograd.grad((heard * probes).sum(), copies)
        total += gradient.square().sum((0, 1))
    return torch.sqrt(total)


def _probes(channels: int) -> Float[Tensor, "k {channels}"]:
    """Rows v of which the mean of ``|v J|^2``, times their number, is ``|J|^2``: each channel, or random signs."""
    if channels <= PROBES:
        return torch.eye(channels)
    signs = torch.randint(0, 2, (PROBES, channels), generator=torch.Generator().manual_seed(0)) * 2 - 1
    return signs.float().div(PROBES**0.5)


def is_estimate(block: nn.Module, channels: int) -> bool:
    """Whether `footprint` of a block on a map of so many channels rests on random mixtures of its outputs."""
    return int(getattr(block, "out_channels", channels)) > PROBES


def reach(strength: Float[Tensor, "h w"], place: tuple[int, int]) -> Reach:
    """The numbers of a footprint around ``place`` (row, column)."""
    rows, columns = (torch.arange(side, device=strength.device) for side in strength.shape)
    distance = ((rows[:, None] - place[0]) ** 2 + (columns - place[1]) ** 2).double().sqrt().flatten()
    near = distance.argsort()
    mass = strength.double().flatten()[near].cumsum(0)
    inside = int((mass < 0.9 * mass[-1]).sum())  # the first position at which 90 % are reached
    own = float(strength[place].double() / mass[-1].clamp(min=1e-30))
    others = strength.double().flatten()[near[1:]].sort(descending=True).values
    if not others.any():
        return Reach(own, 0.0, 0.0, float(distance[near[inside]]))
    strong = float((others > 1e-3 * others[0]).double().mean())
    half = float((others.cumsum(0) < 0.5 * others.sum()).double().mean()) + 1 / len(others)
    return Reach(own, strong, half, float(distance[near[inside]]))
