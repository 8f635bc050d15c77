"""EfficientNet-Lite0 to stand on: small, and pretrained on ImageNet.

Tan and Le, "EfficientNet" (ICML 2019), in its form for small devices (Google, 2020): ReLU6, no squeeze and excitation.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.errors import GclError
from gcl_cli.networks.depthwise import DepthwiseConv2d, same_pads

CHANNELS = 1280  # of the last map
EPSILON = 1e-3  # of the norms
_PARTS = {  # of a published block -> of ours
    "_expand_conv": "expand", "_bn0": "expand_norm", "_depthwise_conv": "depthwise", "_bn1": "depthwise_norm",
    "_project_conv": "project", "_bn2": "project_norm",
}  # fmt: skip
_ENDS = {"_conv_stem": "stem", "_bn0": "stem_norm", "_conv_head": "head", "_bn1": "head_norm"}


class Stage(NamedTuple):
    """Blocks of one width."""

    expand: int  # the factor by which a block widens its input
    channels: int
    blocks: int
    stride: int  # of the first
    kernel: int


STEM = 32  # channels
STAGES = (
    Stage(1, 16, 1, 1, 3), Stage(6, 24, 2, 2, 3), Stage(6, 40, 2, 2, 5), Stage(6, 80, 3, 2, 3), Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 1, 5),  # stride 2 in the original: 1 doubles the size of the last map, as in the ResNets
    Stage(6, 320, 1, 1, 3),
)  # fmt: skip


class Block(nn.Module):
    """An inverted residual (Sandler et al., 2018): widen, look around in every channel, and project; no last ReLU."""

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        inner = inputs * stage.expand
        self.passes_on = stride == 1 and inputs == stage.channels
        widening = stage.expand > 1
        self.expand = nn.Conv2d(inputs, inner, 1, bias=False) if widening else None
        self.expand_norm = nn.BatchNorm2d(inner, eps=EPSILON) if widening else None
        self.depthwise = DepthwiseConv2d(inner, stage.kernel, stride)
        self.depthwise_norm = nn.BatchNorm2d(inner, eps=EPSILON)
        self.project = nn.Conv2d(inner, stage.channels, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(stage.channels, eps=EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, channels, H / stride, W / stride]."""
        inner = features
        if self.expand is not None and self.expand_norm is not None:
            inner = F.relu6(self.expand_norm(self.expand(inner)), inplace=True)
        inner = F.relu6(self.depthwise_norm(self.depthwise(inner)), inplace=True)
        found: Tensor = self.project_norm(self.project(inner))
        return features + found if self.passes_on else found


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 without pooling and classifier, and with stride 1 in its last stage but one.

    3,371,008 parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 3, stride=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(STEM, eps=EPSILON)
        blocks: list[Block] = []
        inputs = STEM
        for stage in STAGES:
            for number in range(stage.blocks):
                blocks.append(Block(inputs, stage, 1 if number else stage.stride))
                inputs = stage.channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Conv2d(inputs, CHANNELS, 1, bias=False)
        self.head_norm = nn.BatchNorm2d(CHANNELS, eps=EPSILON)

    @property
    def stages(self) -> list[list[nn.Module]]:
        """Its modules from the stem on, as `frozen_stages` counts them."""
        blocks = iter(self.blocks)
        middle = [[next(blocks) for _ in range(stage.blocks)] for stage in STAGES]
        return [[self.stem, self.stem_norm], *middle, [self.head, self.head_norm]]

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: [B, 3, H, W], ImageNet-normalised -> [B, 1280, H/16, W/16], non-negative."""
        # Its weights were learned from (grey level - 127) / 128; its running means and variances fit both as well.
        stem = self.stem(F.pad(pictures, same_pads(3, 2)))
        features = self.blocks(F.relu6(self.stem_norm(stem), inplace=True))
        return F.relu6(self.head_norm(self.head(features)), inplace=True)


def lite0_from_published(tensors: Mapping[str, Tensor]) -> OrderedDict[str, Tensor]:
    """The state dict of EfficientNetLite0 from the names of lukemelas' EfficientNet-PyTorch; the classifier is left.

    Raises GclError where a name is none of them.
    """
    found = OrderedDict[str, Tensor]()
    for name, tensor in tensors.items():
        match name.split("."):
            case ["_fc", _]:
                continue
            case ["_blocks", number, part, leaf] if part in _PARTS:
                found[f"blocks.{number}.{_PARTS[part]}.{leaf}"] = tensor
            case [end, leaf] if end in _ENDS:
                found[f"{_ENDS[end]}.{leaf}"] = tensor
            case _:
                raise GclError(
                    f"{name} is no part of an EfficientNet-Lite0.", "Use the package: pip install 'gcl-cli[lite0]'"
                )
    return found
