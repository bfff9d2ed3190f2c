"""The few layers that every module here shares: a batch norm that survives one value, registered upsampling, widths."""

from numbers import Integral

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gald.support.errors import UserError


def at_least_one(count: object, needs: str) -> None:
    """Raise `UserError` unless ``count`` is a whole number from 1 up; ``needs`` is "PSP needs channels"."""
    if not _is_count(count):
        whole = "" if isinstance(count, Integral) else ", which is no whole number"
        raise UserError(f"{needs} of 1 or more, got {count!r}{whole}")


def are_counts(values: object) -> bool:
    """Whether ``values`` is a tuple (or list) of one or more whole numbers from 1 up."""
    return isinstance(values, (tuple, list)) and len(values) > 0 and all(_is_count(value) for value in values)


def _is_count(value: object) -> bool:
    return isinstance(value, Integral) and int(value) >= 1


def inner_width(channels: int, reduction: int, module: nn.Module, *, least: int = 1) -> int:
    """``channels // reduction``, but not below ``least``.

    Raises `UserError`, in the name of ``module``, unless both are whole numbers from 1 up.
    """
    at_least_one(channels, f"{type(module).__name__} needs channels")
    at_least_one(reduction, f"{type(module).__name__} needs a reduction")
    return max(least, channels // reduction)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm that trains on a single value per channel (batch 1, 1x1 map) with its running statistics.

    ``nn.BatchNorm2d`` raises there, which every pooled branch meets at batch 1 (PSP's 1x1 bin, ASPP's image pooling).
    The test looks at static shapes and only in training, so evaluation, compile and export see the plain layer.
    It stays an ``nn.BatchNorm2d``: ``SyncBatchNorm.convert_sync_batchnorm`` finds it.
    """

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)


def conv_norm(
    channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    act: bool = True,
) -> nn.Sequential:
    """Convolution without bias, padded to keep positions (output i is centred on input ``i * stride``), norm, ReLU."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(channels, out_channels, kernel, stride, padding, dilation, groups, bias=False)
    return nn.Sequential(conv, BatchNorm2d(out_channels), *([nn.ReLU()] if act else []))


def weight_of(conv: nn.Sequential) -> Tensor:
    """The weight of a `conv_norm`, for those who multiply with parts of it.

    Read as an attribute: ``get_parameter`` refuses the plain tensors that ``torch.func.functional_call`` puts there.
    """
    weight = conv[0].weight
    assert isinstance(weight, Tensor)
    return weight


def after_convolution(layer: nn.Sequential, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """What a `conv_norm` does to its convolution's result, for those who come by that result on a shorter way.

    A convolution of maps side by side is the sum of a convolution of each, and a 1x1 convolution of a vector laid
    everywhere is that of the vector: the concatenation need not be made.
    """
    for step in layer[1:]:
        y = step(y)
    return y


def norm_of_rows(norm: nn.Module, rows: Float[Tensor, "b r k"]) -> Float[Tensor, "b r k"]:
    """A batch norm of the last dimension, on the rows as so many maps of one position.

    Not on one map ``(B, k, r, 1)``: with its strides transposed, batch norm on a CPU returns a wrong gradient without a
    word (torch 2.15). The norm runs in its weights' type, since torch refuses a wider map.
    """
    weight = norm.weight
    assert isinstance(weight, Tensor)
    y: Tensor = norm(rows.flatten(0, 1)[:, :, None, None].to(weight.dtype))
    return y.reshape(rows.shape).to(rows.dtype)


def strided_mean(x: Float[Tensor, "b c h w"], kernel: int, stride: int, padding: int = 0) -> Float[Tensor, "b c i j"]:
    """Mean of kernel x kernel windows, zeros beyond the border counted: ``F.avg_pool2d``, as a convolution.

    Torch 2.11 exports ``avg_pool2d`` only for sides of the example's remainder by the stride, a convolution for any.
    """
    weight = torch.full((x.shape[1], 1, kernel, kernel), kernel**-2, dtype=x.dtype, device=x.device)
    return F.conv2d(x, weight, stride=stride, padding=padding, groups=x.shape[1])


def shrink_registered(x: Float[Tensor, "b c h w"], halvings: nn.Sequential) -> Float[Tensor, "b c i j"]:
    """Run stride-2 convolutions for `upsample_registered` to lay back.

    Each gets one more row and column of zeros, so that an even side too has a last sample on or beyond its border and
    each pixel lies between two samples. (Asking whether a side is even would tie an export to the answer.)
    """
    for halving in halvings:
        x = halving(F.pad(x, (0, 1, 0, 1)))
    return x


def upsample_registered(x: Float[Tensor, "b c i j"], stride: int, size: tuple[int, int]) -> Float[Tensor, "b c h w"]:
    """Undo padded stride-2 convolutions: sample i of ``x`` lies on pixel ``i * stride``, bilinear between, edge beyond.

    Resizing straight to ``size`` would stretch the map by up to ``stride - 1`` pixels at its right and lower edge
    (``align_corners=True`` is exact only where ``size = stride * k + 1``).
    Needs ``ceil(size / stride)`` samples a side, or ``floor(size / stride) + 1``: a mask that pads one more row and
    column has a last sample on or beyond the border, and the longer grid is cropped by a negative pad.
    """
    height, width = size
    grid = (stride * (x.shape[2] - 1) + 1, stride * (x.shape[3] - 1) + 1)
    x = F.interpolate(x, grid, mode="bilinear", align_corners=True)
    return F.pad(x, (0, width - grid[1], 0, height - grid[0]), mode="replicate")


def resize(x: Float[Tensor, "b c i j"], size: tuple[int, int]) -> Float[Tensor, "b c h w"]:
    """Bilinear resize between maps of one picture at two sizes (pixel centres kept, ``align_corners=False``)."""
    return F.interpolate(x, size, mode="bilinear", align_corners=False)
