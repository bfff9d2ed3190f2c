"""The backbone as released: a ResNet with a stem of three 3x3 convolutions, at stride 8, with a multi-grid.

K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv 1512.03385. Names and shapes are those of
timm's ``resnet50s`` and ``resnet101s`` without ``fc``, so ImageNet weights exist in that layout (``*.gluon_in1k``).
"""

from jaxtyping import Float
from torch import Tensor, nn

MULTI_GRID = (1, 2, 4)


class Bottleneck(nn.Module):
    """1x1 down to ``width``, 3x3 (stride and dilation sit here), 1x1 up to ``4 * width``, plus the shortcut."""

    def __init__(self, channels: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels != 4 * width:
            shortcut = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        out: Tensor = self.relu(self.bn3(self.conv3(x)) + shortcut)
        return out


class Backbone(nn.Module):
    """``(B, 3, H, W)`` -> the maps of layer3 ``(B, 1024, h, w)`` and layer4 ``(B, 2048, h, w)``, ``h`` about H / 8.

    ``blocks``: blocks in each of the four layers. ``h`` is ``map_size(H)``.
    """

    def __init__(self, blocks: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.conv1 = _stem()
        self.bn1 = nn.BatchNorm2d(128)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)
        self.layer1 = _layer(128, 64, 1, (1,) * blocks[0])
        self.layer2 = _layer(256, 128, 2, (1,) * blocks[1])
        self.layer3 = _layer(512, 256, 1, (2,) * blocks[2])
        self.layer4 = _layer(1024, 512, 1, tuple(4 * MULTI_GRID[index % 3] for index in range(blocks[3])))

    def features(self, x: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b 1024 i j"], Float[Tensor, "b 2048 i j"]]:
        """The maps of layer3 and layer4, for the auxiliary head and the head."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        middle = self.layer3(self.layer2(self.layer1(x)))
        return middle, self.layer4(middle)


def map_size(side: int) -> int:
    """Side of the stride-8 map for an image side in pixels: 769 -> 97, but 1024 -> 129 (the pool rounds up)."""
    half = (side + 1) // 2
    quarter = half // 2 + 1 if half % 2 == 0 else (half + 1) // 2
    return (quarter + 1) // 2


def _stem() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, 2, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)),
        *(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)),
        nn.Conv2d(64, 128, 3, padding=1, bias=False),
    )


def _layer(channels: int, width: int, stride: int, dilations: tuple[int, ...]) -> nn.Sequential:
    """One block for each dilation; the first takes the stride, and its dilation is not softened as torchvision's is."""
    first = Bottleneck(channels, width, stride, dilations[0])
    return nn.Sequential(first, *(Bottleneck(4 * width, width, dilation=dilation) for dilation in dilations[1:]))
