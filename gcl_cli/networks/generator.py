"""The generator G: a person of given identity in a given structure."""

import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.config import Architecture
from gcl_cli.networks.convolution import Padding, convolution, leaky_relu
from gcl_cli.networks.identity_encoder import PARTS
from gcl_cli.networks.modulation import LAYERS, Modulation, ModulationNetworks
from gcl_cli.networks.normalisation import LayerNorm, adaptive_instance_norm, at_least_float32


class Generator(nn.Module):
    """G: decodes a structure code under the AdaIN parameters of an identity code (section 4.2).

    At the published width the decoder has 1,455,555 parameters, the eight modulation networks 1,443,072 each.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, padding = architecture.generator_width, architecture.padding
        self.modulator = ModulationNetworks(architecture)
        self.blocks = nn.ModuleList(ModulatedBlock(8 * width, padding) for _ in range(PARTS))
        self.painter = nn.Sequential(
            *_doubling(8 * width, 4 * width, padding),
            *_doubling(4 * width, 2 * width, padding),
            convolution(2 * width, 2 * width, 3, padding=padding),
            leaky_relu(),
            convolution(2 * width, 2 * width, 3, padding=padding),
            leaky_relu(),
            convolution(2 * width, 3, 1, padding=padding),
        )

    def modulation(self, parts: Tensor) -> Modulation:
        """AdaIN parameters for the part codes [B, C, 4]; made once, they serve any number of decodes."""
        return self.modulator(parts)

    def forward(self, structure_code: Tensor, modulation: Modulation) -> Tensor:
        """structure_code: [B, 8 * generator_width, H/4, W/4] -> pictures [B, 3, H, W], ImageNet-normalised, unbounded.

        The pictures have at least 32 bits. To merge decodes, concatenate both arguments along the batch.
        """
        features = structure_code
        scales, shifts = modulation.scale.unbind(dim=1), modulation.shift.unbind(dim=1)  # four of [B, 2, C]
        for block, scale, shift in zip(self.blocks, scales, shifts, strict=True):
            features = block(features, scale, shift)
        return at_least_float32(self.painter(features))


class ModulatedBlock(nn.Module):
    """A residual block whose two norms take scale and shift from outside."""

    def __init__(self, channels: int, padding: Padding) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolution(channels, channels, 3, padding=padding) for _ in range(LAYERS))
        self.activation = leaky_relu()

    def forward(self, features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """features: [B, C, H, W]; scale, shift: [B, 2, C] -> [B, C, H, W]."""
        first, second = self.convolutions
        inner = self.activation(adaptive_instance_norm(first(features), scale[:, 0], shift[:, 0]))
        return features + adaptive_instance_norm(second(inner), scale[:, 1], shift[:, 1])


class Doubling(nn.Module):
    """Nearest-neighbour upsampling to twice the size."""

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, 2H, 2W]."""
        return F.interpolate(features, scale_factor=2, mode="nearest")


def _doubling(inputs: int, outputs: int, padding: Padding) -> tuple[nn.Module, ...]:
    return Doubling(), convolution(inputs, outputs, 5, padding=padding), LayerNorm(outputs), leaky_relu()
