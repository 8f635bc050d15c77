"""The structure encoder E_str: which pose, seen from where?"""

import torch
from torch import Tensor, nn

from gcl_cli.config import Architecture
from gcl_cli.networks.convolution import Padding, Residual, convolution, leaky_relu, require_reflectable
from gcl_cli.networks.normalisation import InstanceNorm

RESIDUAL_BLOCKS = 4
DILATIONS = (3, 6, 9)


class StructureEncoder(nn.Module):
    """E_str: the rendered mesh to a feature map at a quarter of the size (section 4.2).

    380,544 parameters at the published width (generator_width 16).
    Raises GclError if reflection padding does not fit the picture size.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        require_reflectable(architecture, min(architecture.height, architecture.width) // 4, max(DILATIONS))
        width, padding = architecture.generator_width, architecture.padding
        self.layers = nn.Sequential(
            _normalised(1, width, 3, padding, stride=2),
            leaky_relu(),
            _normalised(width, 2 * width, 3, padding),
            leaky_relu(),
            _normalised(2 * width, 2 * width, 3, padding),
            leaky_relu(),
            _normalised(2 * width, 4 * width, 3, padding, stride=2),
            leaky_relu(),
            *(_residual_block(4 * width, padding) for _ in range(RESIDUAL_BLOCKS)),
            DilatedPyramid(4 * width, padding),
        )

    def forward(self, structures: Tensor) -> Tensor:
        """structures: [B, 1, H, W] in [-1, 1], white background -> [B, 8 * generator_width, H/4, W/4]."""
        return self.layers(structures)


class DilatedPyramid(nn.Module):
    """Atrous spatial pyramid: four branches of different reach side by side, then mixed (Chen et al., 2017)."""

    def __init__(self, channels: int, padding: Padding) -> None:
        super().__init__()
        narrow = channels // 2
        near = _normalised(channels, narrow, 1, padding)
        far = [_dilated_branch(channels, narrow, dilation, padding) for dilation in DILATIONS]
        self.branches = nn.ModuleList([near, *far])
        self.mix = _normalised(4 * narrow, 2 * channels, 1, padding)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, 2 * C, H, W]."""
        return self.mix(torch.cat([branch(features) for branch in self.branches], dim=1))


def _normalised(inputs: int, outputs: int, kernel: int, padding: Padding, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(convolution(inputs, outputs, kernel, padding=padding, stride=stride), InstanceNorm())


def _residual_block(channels: int, padding: Padding) -> Residual:
    first, second = (_normalised(channels, channels, 3, padding) for _ in range(2))
    return Residual(nn.Sequential(first, leaky_relu(), second))


def _dilated_branch(inputs: int, outputs: int, dilation: int, padding: Padding) -> nn.Sequential:
    return nn.Sequential(
        _normalised(inputs, outputs, 1, padding),
        leaky_relu(),
        convolution(outputs, outputs, 3, padding=padding, dilation=dilation),
        InstanceNorm(),
    )
