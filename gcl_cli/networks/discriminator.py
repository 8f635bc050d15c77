"""The discriminator D: which patches look like photographs?"""

import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.config import Architecture
from gcl_cli.networks.convolution import Padding, Residual, convolution, leaky_relu, require_reflectable
from gcl_cli.networks.normalisation import at_least_float32

RESIDUAL_BLOCKS = 4


class Discriminator(nn.Module):
    """D: an independent PatchGAN for each scale of the picture, halved from one to the next (section 4.2).

    341,857 parameters a scale at the published width (discriminator_width 32).
    Raises GclError if reflection padding does not fit the picture size.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        shortest = min(architecture.height, architecture.width) >> (architecture.discriminator_scales - 1)
        require_reflectable(architecture, shortest // 4, 1)
        width, padding = architecture.discriminator_width, architecture.padding
        self.scales = nn.ModuleList(_patch_network(width, padding) for _ in range(architecture.discriminator_scales))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """pictures: [B, 3, H, W] -> one map [B, 1, h/4, w/4] for each scale h x w, largest first, in 32 bits or more.

        A map holds one score a patch; the least-squares targets are 1 for real and 0 for generated.
        """
        maps = []
        for scale, network in enumerate(self.scales):
            pictures = halve(pictures) if scale else pictures
            maps.append(at_least_float32(network(pictures)))
        return maps


def halve(pictures: Tensor) -> Tensor:
    """Average of 3 x 3 pixels at every second one, [B, C, H, W] -> [B, C, H/2, W/2]; the border counts no padding."""
    return F.avg_pool2d(pictures, kernel_size=3, stride=2, padding=1, count_include_pad=False)


def _patch_network(width: int, padding: Padding) -> nn.Sequential:
    return nn.Sequential(
        convolution(3, width, 1, padding=padding),
        leaky_relu(),
        convolution(width, width, 3, padding=padding),
        leaky_relu(),
        convolution(width, width, 3, padding=padding, stride=2),
        leaky_relu(),
        convolution(width, width, 3, padding=padding),
        leaky_relu(),
        convolution(width, 2 * width, 3, padding=padding, stride=2),
        leaky_relu(),
        *(_residual_block(2 * width, padding) for _ in range(RESIDUAL_BLOCKS)),
        convolution(2 * width, 1, 1, padding=padding),
    )


def _residual_block(channels: int, padding: Padding) -> Residual:
    first, second = (convolution(channels, channels, 3, padding=padding) for _ in range(2))
    return Residual(nn.Sequential(first, leaky_relu(), second))
