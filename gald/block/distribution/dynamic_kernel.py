"""A predicted kernel for each pixel: the third of our readings of the journal version's abstract.

Li et al., "Global Aggregation Then Local Distribution for Scene Parsing", IEEE TIP vol. 30, 2021, arXiv 2107.13154:
"models the affinity map between global and local relationship for each pixel adaptively". Read here as the reassembly
of Wang et al., "CARAFE: Content-Aware ReAssembly of FEatures", ICCV 2019, arXiv 1905.02188, with a kernel that is
predicted from G and F together. It departs from CARAFE in what goes in, in a norm and ReLU after the compression, and
in that nothing is enlarged: G is already laid back on F's pixels. The authors' module was not at hand; this is not
claimed to be it.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.distribution.relation import Relation
from gald.block.distribution.window import check_window, gathered, normalised
from gald.block.layers import at_least_one, conv_norm


class DynamicKernelDistribution(Relation):
    """``F_p + sum_n A_p(n) G_n``, n in a window around p, ``A = softmax_n(conv3x3(compress(concat[G, F])))``.

    compress is a 1x1 convolution to ``width`` channels (CARAFE's 64), norm, ReLU. The same kernel serves all channels.
    CARAFE has no F in the sum; it is here, so that what G has lost stays where no later layer sees F again.
    ``window`` is odd; 5 is CARAFE's, and with a halved G holds two or three of its samples a side.

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1; about 2 C width + 9 width window^2 + C window^2 multiplications
    a pixel, 2 C width + 9 width window^2 parameters. A hook on ``affinity`` sees A, ``(B, window^2, H, W)``, row by
    row; it sums to one over the neighbours that lie inside the map. Softmax and sums are float32 under autocast too.
    """

    def __init__(self, channels: int, *, window: int = 5, width: int = 64) -> None:
        super().__init__(channels)
        check_window(window, "DynamicKernelDistribution")
        at_least_one(width, "DynamicKernelDistribution needs a width")
        self.window = window
        self.affinity = _Predicted(channels, width, window)

    def distributed(self, x: Float[Tensor, "b c h w"], local: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        affinity = self.affinity(x, local)
        with torch.autocast(device_type=x.device.type, enabled=False):
            return gathered(affinity, x, self.window)


class _Predicted(nn.Module):
    """A from G (``x``) and F (``local``)."""

    def __init__(self, channels: int, width: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.compress = conv_norm(2 * channels, width, 1)
        self.encode = nn.Conv2d(width, window**2, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"], local: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        scores: Tensor = self.encode(self.compress(torch.cat([x, local], dim=1)))
        return normalised(scores.to(torch.promote_types(scores.dtype, torch.float32)), self.window)
