"""Global context: Cao et al., "GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond", ICCV workshops
2019, arXiv 1904.11492. The block with attention pooling and addition, its best on the whole.

One departure: the vector is not squeezed below 8 channels, since the layer norm leaves of one channel nothing and of
two a sign. (w has no bias; softmax doesn't see one.)
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gald.block.layers import inner_width


class GCNet(nn.Module):
    """One vector for the picture, added everywhere: ``x + W_2 ReLU(LN(W_1 sum_i a_i x_i))``, a = softmax_i(w x_i).

    ``(B, C, H, W) -> (B, C, H, W)``, any size from 1x1. Non-local attention whose query is the same for all positions:
    time and memory grow with H W only. The vector is squeezed to ``C // reduction`` channels (the paper: 16), or 8.
    W_2 is zero at first: it starts as identity.
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        width = inner_width(channels, reduction, self, least=8)
        # No bias: it would move all logits alike, which softmax doesn't see.
        self.attention = nn.Conv2d(channels, 1, 1, bias=False)
        self.transform = nn.Sequential(
            nn.Conv2d(channels, width, 1), nn.LayerNorm((width, 1, 1)), nn.ReLU(), nn.Conv2d(width, channels, 1)
        )
        nn.init.zeros_(self.transform.get_parameter("3.weight"))
        nn.init.zeros_(self.transform.get_parameter("3.bias"))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        wide = torch.promote_types(x.dtype, torch.float32)
        logits = self.attention(x).flatten(2)
        with torch.autocast(device_type=x.device.type, enabled=False):  # a weight is about 1 / N: too small for fp16
            context = x.flatten(2).to(wide) @ logits.to(wide).softmax(dim=2).transpose(1, 2)
        y: Tensor = self.transform(context.unsqueeze(3).to(x.dtype))
        return x + y.to(x.dtype)
