"""Asymmetric non-local: Zhu et al., "Asymmetric Non-local Neural Networks for Semantic Segmentation", ICCV 2019,
arXiv 1908.07678.

The paper's APNB block. Its other block, AFNB, fuses two stages of a network and is no aggregation of one map. Where the
paper's equations have a query and a key, one map serves as both, as in `OCNet` and (from memory) in the authors'
code. No other departure.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from gald.block.aggregation.ocnet import OCNet
from gald.block.aggregation.pooling import pyramid
from gald.block.layers import are_counts
from gald.support.errors import UserError


class ANN(OCNet):
    """`OCNet` whose keys and values are the means over a pyramid of cells instead of all positions.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. ``bins`` are the cells per side; the published ones make 110
    cells in all, so time and memory grow with H W.
    """

    def __init__(self, channels: int, *, reduction: int = 2, bins: tuple[int, ...] = (1, 3, 6, 8)) -> None:
        super().__init__(channels, reduction=reduction)
        if not are_counts(bins):
            raise UserError(f"ANN needs bins from 1 up, as in (1, 3, 6, 8), got bins={bins}")
        self.bins = bins

    def _cells(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c s"]:
        return torch.cat([cells.flatten(2) for cells in pyramid(x, self.bins)], dim=2)
