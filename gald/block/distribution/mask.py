"""Local distribution (LD): Li et al., "Global Aggregation then Local Distribution in Fully Convolutional Networks",
BMVC 2019, arXiv 1909.07229, section 3.2 and Table 1(e).

M = sigmoid(upsample(W_d F_GA))   (1)
F_GALD = M * F_GA + F_GA          (2)

One map M per channel says where the pattern that was aggregated belongs. M is registered: what the mask reads around a
pixel comes back to that pixel. The centroid of what a pixel's M reads (symmetric kernels, ratio 8) is within 1 pixel of
it, and within 5 in the last 8 pixels, where the border cuts off one side; the released code pads nothing and is off by
7 to 9 pixels there. Each class holds its mask as ``mask``: a forward hook on it sees M, ``(B, C, H, W)`` in (0, 1).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.layers import at_least_one, conv_norm, resize, shrink_registered, strided_mean, upsample_registered
from gald.support.errors import UserError


class _Distribution(nn.Module):
    """Eq. (2) with the map M that ``mask`` makes."""

    def __init__(self, mask: nn.Module) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        mask: Tensor = self.mask(x)
        return mask * x + x


class MaskDistribution(_Distribution):
    """The paper's LD: W_d is a stack of depth-wise 3x3 convolutions of stride 2, log2(``ratio``) of them.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. ``ratio`` is a power of two.
    """

    def __init__(self, channels: int, *, ratio: int = 8) -> None:
        super().__init__(_ConvolvedMask(channels, ratio))


class AverageDistribution(_Distribution):
    """LD without parameters: W_d is the mean of each ``ratio`` x ``ratio`` cell (2 or more). Shapes as above."""

    def __init__(self, channels: int, *, ratio: int = 8) -> None:
        super().__init__(_AverageMask(ratio))


class BilinearDistribution(_Distribution):
    """LD without parameters: W_d takes the middle of each ``ratio`` x ``ratio`` cell, bilinearly. Shapes as above."""

    def __init__(self, channels: int, *, ratio: int = 8) -> None:
        super().__init__(_BilinearMask(ratio))


class _ConvolvedMask(nn.Module):
    """Eq. (1). A norm after each convolution, ReLU between them but not after the last: M would stay above 1/2."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        at_least_one(channels, "MaskDistribution needs channels")
        if ratio < 2 or ratio & (ratio - 1):
            raise UserError(f"the mask of stride-2 convolutions needs a ratio of 2, 4, 8, ..., got {ratio}")
        self.ratio = ratio
        steps = ratio.bit_length() - 1
        self.shrink = nn.Sequential(
            *(
                conv_norm(channels, channels, 3, stride=2, groups=channels, act=step < steps - 1)
                for step in range(steps)
            )
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        y = shrink_registered(x, self.shrink)
        return torch.sigmoid(upsample_registered(y, self.ratio, (x.shape[2], x.shape[3]))).to(x.dtype)


class _CellMask(nn.Module):
    """Eq. (1) with one value per ``ratio`` x ``ratio`` cell in place of W_d, laid back on the middle of the cell.

    Subclasses give ``offset`` and ``kernel``: the part of the cell whose mean is taken. Cells at the border are filled
    by replication. Padding by a fixed amount (the pooling drops what is too much) and cropping by a negative pad keep
    the size free in exports; a remainder or a slice would fix whether it divides.
    """

    offset: int
    kernel: int

    def __init__(self, ratio: int) -> None:
        super().__init__()
        if ratio < 2:
            raise UserError(f"a mask of cells needs a ratio of 2 or more, got {ratio}")
        self.ratio = ratio

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        height, width = x.shape[2:]
        fill = self.offset + self.kernel - 1
        filled = F.pad(x, (0, fill, 0, fill), mode="replicate")[:, :, self.offset :, self.offset :]
        cells = strided_mean(filled, self.kernel, self.ratio)  # ceil(H / ratio), ceil(W / ratio)
        enlarged = resize(cells, (cells.shape[2] * self.ratio, cells.shape[3] * self.ratio))
        cropped = F.pad(enlarged, (0, width - enlarged.shape[3], 0, height - enlarged.shape[2]))
        return torch.sigmoid(cropped).to(x.dtype)


class _AverageMask(_CellMask):
    """The mean of the whole cell."""

    def __init__(self, ratio: int) -> None:
        super().__init__(ratio)
        self.offset, self.kernel = 0, ratio


class _BilinearMask(_CellMask):
    """Bilinear shrinking by a whole factor: a cell's middle pixel, or the mean of the middle four (even ratio)."""

    def __init__(self, ratio: int) -> None:
        super().__init__(ratio)
        self.offset, self.kernel = (ratio - 1) // 2, 2 - ratio % 2
