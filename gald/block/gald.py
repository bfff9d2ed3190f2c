"""The GALD block: Li et al., "Global Aggregation then Local Distribution in Fully Convolutional Networks", BMVC 2019,
arXiv 1909.07229, section 3 and the arrangements of its Figure 3.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gald.block import ORDERS, part_class
from gald.block.aggregation import AGGREGATORS
from gald.block.distribution import DISTRIBUTORS
from gald.block.layers import conv_norm, upsample_registered
from gald.support.errors import UserError, lookup, nearest


class GALD(nn.Module):
    """Global aggregation, then local distribution: gather what is everywhere, hand it out where it belongs.

    ``(B, C, H, W) -> (B, out_channels, H, W)``, any size from 1x1; ``out_channels`` is C, in "parallel" order 2 C.
    A graph exported with a free size takes sides of ``reduce + 1`` and more (of 9, where ``ld`` shrinks by 8 itself).

    Args:
        channels: C, the width of the map.
        ga: a name in `gald.block.aggregation.AGGREGATORS`, or a module of your own that keeps the shape.
        ld: a name in `gald.block.distribution.DISTRIBUTORS`, or a module of your own that keeps the shape. One with an
            attribute ``relates = True`` is called with the aggregated map and the local feature, any other with the
            former only (see `gald.block.distribution`).
        order: "ga-ld", "ld-ga", "parallel" (the two results concatenated, GA's first), "ga" or "ld" alone. What an
            order doesn't use is not built.
        reduce: GA works on the map shrunk by this power of two (the paper: 2), 1 for the full map.

    Raises:
        UserError: an unknown name, another kind of value than these; in forward (run eagerly) a map of other channels,
            and a module of your own that doesn't keep the shape.

    Examples:
        >>> import torch
        >>> block = GALD(256, ga="psp")
        >>> block(torch.zeros(2, 256, 97, 97)).shape
        torch.Size([2, 256, 97, 97])
        >>> block = GALD(256, ga=MyModule(256), ld="none")  # doctest: +SKIP
    """

    def __init__(
        self,
        channels: int,
        ga: str | nn.Module = "psp",
        ld: str | nn.Module = "mask",
        order: str = "ga-ld",
        reduce: int = 2,
    ) -> None:
        super().__init__()
        lookup(ORDERS, order, "order")
        if not isinstance(channels, int) or channels < 1:
            raise UserError(f"GALD's channels is a whole number of 1 or more, got {channels!r}")
        if not isinstance(reduce, int) or reduce < 1 or reduce & (reduce - 1):
            raise UserError(f"GALD's reduce is a power of two (1, 2, 4, ...), got {reduce!r}")
        self.channels = channels
        self.order = order
        self.out_channels = 2 * channels if order == "parallel" else channels
        self.ga = nn.Identity() if order == "ld" else _build(AGGREGATORS, ga, "global aggregation", channels)
        self.ld = nn.Identity() if order == "ga" else _build(DISTRIBUTORS, ld, "local distribution", channels)
        self.reduce = 1 if isinstance(self.ga, nn.Identity) else reduce
        steps = self.reduce.bit_length() - 1
        self.down = nn.Sequential(*(conv_norm(channels, channels, 3, stride=2, groups=channels) for _ in range(steps)))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out h w"]:
        if _eager() and (x.ndim != 4 or x.shape[1] != self.channels):
            raise UserError(f"GALD({self.channels}) takes a map (B, {self.channels}, H, W), got {tuple(x.shape)}")
        match self.order:
            case "ga-ld":  # Eq. (1), (2): the paper's choice
                return self._distribute(self._aggregate(x), x)
            case "ld-ga":
                return self._aggregate(self._distribute(x, x))
            case "parallel":
                return torch.cat([self._aggregate(x), self._distribute(x, x)], dim=1)
            case "ga":
                return self._aggregate(x)
            case _:
                return self._distribute(x, x)

    def _aggregate(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """F_GA: the aggregation of the shrunk map, laid back on the pixels that it came from."""
        shrunk = self.down(x)
        y = _kept("ga", self.ga, shrunk, self.ga(shrunk))
        return y if self.reduce == 1 else upsample_registered(y, self.reduce, (x.shape[2], x.shape[3]))

    def _distribute(self, x: Float[Tensor, "b c h w"], local: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """F_GALD of the aggregated ``x``; the local feature goes to those that ask for it."""
        y = self.ld(x, local) if getattr(self.ld, "relates", False) else self.ld(x)
        return _kept("ld", self.ld, x, y)


def _eager() -> bool:
    """Whether shapes are numbers: a graph may have symbols in their place, which a comparison would freeze."""
    return not (torch.compiler.is_compiling() or torch.jit.is_tracing())  # type: ignore[attr-defined,no-untyped-call]


def _kept(slot: str, part: nn.Module, x: Tensor, y: Any) -> Tensor:
    """``y``, which ``part`` made of ``x``; of another shape it would be cropped, repeated or broadcast in silence."""
    if _eager() and (not isinstance(y, Tensor) or y.shape != x.shape):
        made = tuple(y.shape) if isinstance(y, Tensor) else f"a {type(y).__name__}"
        raise UserError(
            f"the block's {slot} ({type(part).__name__}) makes {made} of a map of shape {tuple(x.shape)}; "
            "it must keep the shape"
        )
    kept: Tensor = y
    return kept


def _build(table: dict[str, str | type[nn.Module]], part: object, what: str, channels: int) -> nn.Module:
    """A module as it is, a name by its table."""
    if isinstance(part, nn.Module):
        return part
    if isinstance(part, type):
        raise UserError(f"the {what} is a name or a module, got the class {part.__name__}; make a module of it first")
    if not isinstance(part, str):
        raise UserError(f"the {what} is a name or a module, got {part!r}{nearest(str(part), table)}")
    return part_class(lookup(table, part, what))(channels)
