"""The generator G: a person of given identity in a given structure."""

from typing import cast

import torch
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


class DoublingConvolution(nn.Conv2d):
    """Nearest-neighbour upsampling to twice the size, then a 5 x 5 convolution, computed at the size that comes in.

    A pixel of the doubled map sees only 3 x 3 different pixels, so that four 3 x 3 kernels, one for each of the four
    places within a pair of rows and columns, give the same numbers with 36 of the 100 multiplications.
    """

    def __init__(self, inputs: int, outputs: int, padding: Padding) -> None:
        super().__init__(inputs, outputs, 5, padding=2, padding_mode=padding)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, outputs, 2H, 2W]."""
        kernels = _for_even_and_odd(_for_even_and_odd(self.weight, dim=2), dim=-1)  # [outputs, 2, 2, C, 3, 3]
        biases = cast(Tensor, self.bias).repeat_interleave(4)
        reflected = self.padding_mode == "reflect"
        known = F.pad(features, (1, 1, 1, 1), mode="replicate") if reflected else features
        four = F.conv2d(known, kernels.flatten(0, 2), biases, padding=0 if reflected else 1)  # [B, outputs * 4, H, W]
        doubled = F.pixel_shuffle(four, 2)
        if reflected:
            self._reflect_border(features, doubled)
        return doubled

    def _reflect_border(self, features: Tensor, doubled: Tensor) -> None:
        """Add what reflection has beyond the border over replication: one line on each side, seen by one tap."""
        for edge, inner, tap in ((0, 1, 0), (-1, -2, 4)):
            row = (features[:, :, inner] - features[:, :, edge]).repeat_interleave(2, dim=2)  # [B, C, 2W]
            doubled[:, :, edge] += F.conv1d(F.pad(row, (2, 2), mode="reflect"), self.weight[:, :, tap])
            column = (features[..., inner] - features[..., edge]).repeat_interleave(2, dim=2)
            doubled[..., edge] += F.conv1d(F.pad(column, (2, 2), mode="replicate"), self.weight[..., tap])


def _for_even_and_odd(kernels: Tensor, dim: int) -> Tensor:
    """Kernels of 5 along `dim` as the kernels of 3 that even and odd places of a doubled map see of the map itself.

    The two lie side by side before the inputs' dimension, which is the third from the end.
    """
    first, second, third, fourth, fifth = kernels.unbind(dim)
    even = torch.stack([first + second, third + fourth, fifth], dim)
    odd = torch.stack([first, second + third, fourth + fifth], dim)
    return torch.stack([even, odd], dim=-4)


def _doubling(inputs: int, outputs: int, padding: Padding) -> tuple[nn.Module, ...]:
    # The place in front is empty, so that weights keep the names they have had since upsampling stood there.
    return nn.Identity(), DoublingConvolution(inputs, outputs, padding), LayerNorm(outputs), leaky_relu()
