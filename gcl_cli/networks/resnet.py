"""ResNets to stand on: torchvision's, of any width."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from gcl_cli.networks.small_maps import learn_small_maps

if TYPE_CHECKING:
    from torchvision.models.resnet import BasicBlock, Bottleneck

    Block = type[BasicBlock] | type[Bottleneck]

Depths = tuple[int, int, int, int]


def blocks_of(kind: str) -> "tuple[Block, Depths]":
    """The residual block of a ResNet, and how many of them each of its four stages has."""
    # Seconds to import, which commands that build no network do without.
    from torchvision.models.resnet import BasicBlock, Bottleneck

    return {"resnet18": (BasicBlock, (2, 2, 2, 2)), "resnet50": (Bottleneck, (3, 4, 6, 3))}[kind]


class ResNet(nn.Module):
    """torchvision's ResNet without pooling and classifier, of any width, and with stride 1 in its last stage.

    Parameter names are torchvision's, so that its weights load at width 64. ResNet-50 has 23,508,032 parameters.
    The last stride of 1 doubles the size of the final map (Sun et al., "Beyond part models", 2018).
    """

    def __init__(self, block: "Block", depths: Depths, width: int, *, stem_relu: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True) if stem_relu else nn.Identity()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        grown = block.expansion
        self.layer1 = _stage(block, width, width, depths[0], stride=1)
        self.layer2 = _stage(block, width * grown, 2 * width, depths[1], stride=2)
        self.layer3 = _stage(block, 2 * width * grown, 4 * width, depths[2], stride=2)
        self.layer4 = _stage(block, 4 * width * grown, 8 * width, depths[3], stride=1)
        learn_small_maps(self)

    @property
    def stages(self) -> list[list[nn.Module]]:
        """Its modules from the stem on, as `frozen_stages` counts them."""
        return [[self.conv1, self.bn1], [self.layer1], [self.layer2], [self.layer3], [self.layer4]]

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: [B, 3, H, W], normalised -> [B, 8 * width * expansion, H/16, W/16], non-negative."""
        # torchvision's ReLU comes before the maximum: the same, of four times as many numbers.
        features = self.relu(self.maxpool(self.bn1(self.conv1(pictures))))  # [B, width, H/4, W/4]
        return self.layer4(self.layer3(self.layer2(self.layer1(features))))


def _stage(block: "Block", inputs: int, planes: int, depth: int, *, stride: int) -> nn.Sequential:
    outputs = planes * block.expansion
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    later = [block(outputs, planes) for _ in range(depth - 1)]
    return nn.Sequential(block(inputs, planes, stride, shortcut), *later)
