"""What the readings of the second paper share: F + D(G, F), the aggregated map handed out onto the local one."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from gald.block.layers import at_least_one
from gald.support.errors import UserError


class Relation(nn.Module):
    """``F + D(G, F)`` with the subclass's ``distributed``, which is D. G is ``x``; F is ``local``, or ``x`` alone.

    F is added whole, as G is in the first paper's equation (2): with F = G a gate gives that equation again. (The
    convex mixture A G + (1 - A) F would be x itself there, whatever A is, and nothing would learn.)
    """

    relates: ClassVar[bool] = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        at_least_one(channels, f"{type(self).__name__} needs channels")

    # local's shape is not in the signature: a wrong one is told below, in a sentence, where signatures are checked too
    def forward(self, x: Float[Tensor, "b c h w"], local: Tensor | None = None) -> Float[Tensor, "b c h w"]:
        local = x if local is None else local
        if local.shape != x.shape:
            shapes = f"{tuple(local.shape)} and {tuple(x.shape)}"
            raise UserError(f"{type(self).__name__} needs a local feature of its input's shape, got {shapes}")
        return (local + self.distributed(x, local)).to(x.dtype)

    def distributed(self, x: Float[Tensor, "b c h w"], local: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """D(G, F), of any precision: the sum is rounded to the type of ``x``."""
        raise NotImplementedError
