"""A generator that is given the painted view: it draws what painting cannot, the clothes' own shape and unseen sides.

Ours, not the paper's, whose generator (`networks.generator`) is given the grey body alone. The structure is the body
and its painted view; the identity code modulates the middle as in the paper; out come colours and their own alpha.
"""

import math
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcl_cli.networks.convolution import Residual, convolution, leaky_relu
from gcl_cli.networks.generator import DoublingConvolution
from gcl_cli.networks.identity_encoder import PARTS
from gcl_cli.networks.modulation import LAYERS
from gcl_cli.networks.normalisation import adaptive_instance_norm, at_least_float32

BODY_LEVELS = 5.0  # a drawn body is at most 205 of 255 bright: a pixel that is a fifth darker than white is all body
GREY, COLOUR, OPACITY, SEEN = slice(0, 1), slice(1, 4), slice(4, 5), slice(5, 6)
CHANNELS = 7  # of a structure
PATCH = 8  # pixels of the photograph, each way, that one place of an appearance's features stands for
WAVES = (0.5, 1.0, 2.0)  # of sines and cosines that tell places, over a picture's height and width


class PaintedSizes(NamedTuple):
    """Channels of a painted generator; 2.2 million parameters as they stand."""

    wide: int = 32  # at half the picture's size
    middle: int = 64
    narrow: int = 128  # at an eighth, where the identity code works
    code: int = 96  # entries of a part code
    modulation: int = 128  # hidden units between part code and AdaIN parameters


def structures(grey: Tensor, painted: Tensor, own: Tensor) -> Tensor:
    """The structure [B, 7, H, W] in [0, 1] of turned bodies.

    grey, own: [B, 1, H, W], the body turned and as photographed, on white; painted: [B, 5, H, W] (colour, opacity,
    seen), see `body.painting.traced_views`. Each is uint8, or a float in [0, 1] already.
    """
    return torch.cat([part if part.is_floating_point() else part.float() / 255 for part in (grey, painted, own)], dim=1)


class PaintedGenerator(nn.Module):
    """Structure, turn and part code -> colours and alpha."""

    def __init__(self, sizes: PaintedSizes = PaintedSizes()) -> None:  # noqa: B008 (immutable)
        super().__init__()
        wide, middle, narrow = sizes[:3]
        self.appearance = Appearance(sizes.code)
        self.modulator = PartModulation(sizes)
        self.stem = _level(4 * CHANNELS + 2, wide)
        self.down = _level(wide, middle, stride=2)
        self.deepest = nn.Sequential(_convolution(middle, narrow, stride=2), leaky_relu())
        self.blocks = nn.ModuleList(CodedBlock(narrow) for _ in range(PARTS))
        self.rise = _convolution(narrow, middle)
        self.mix = _level(2 * middle, middle)
        self.rise_again = _convolution(middle, wide)
        self.mix_again = _level(2 * wide, wide)
        self.finish = DoublingConvolution(wide, 5, "zeros")  # a pixel shuffle would leave a checkerboard

    def forward(self, structure: Tensor, turn: Tensor, parts: Tensor) -> Tensor:
        """structure: [B, 7, H, W] (`structures`), H and W multiples of 8; turn: [B] degrees; parts: [B, code, 4].

        Returns [B, 4, H, W] in [0, 1], at least 32 bits: colours, and how much of each pixel the person covers.
        """
        fine = self.stem(torch.cat([F.pixel_unshuffle(structure * 2 - 1, 2), _sides(turn, structure)], dim=1))
        coarse = self.down(fine)
        features = self.deepest(coarse)
        scales, shifts = self.modulator(parts)
        for index, block in enumerate(self.blocks):
            features = block(features, scales[:, index], shifts[:, index])
        features = self.mix(torch.cat([_doubled(self.rise(features)), coarse], dim=1))
        features = self.mix_again(torch.cat([_doubled(self.rise_again(features)), fine], dim=1))
        new, beyond, keep = at_least_float32(self.finish(features)).split((3, 1, 1), dim=1)
        body = ((1 - structure[:, GREY]) * BODY_LEVELS).clamp(max=1)
        alpha = torch.sigmoid(3 * beyond + 6 * body - 3)
        # What the photograph shows is kept at first, what painting guesses is not.
        kept = torch.sigmoid(2 * keep + 4 * structure[:, SEEN] - 2) * structure[:, OPACITY]
        colours = kept * structure[:, COLOUR] + (1 - kept) * torch.sigmoid(2 * new)
        return torch.cat([colours, alpha], dim=1)


class Appearance(nn.Module):
    """The part codes of photographs, for who has no identity encoder of their own: what the person wears, and where."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.layers = _level(4 * (PATCH // 2) ** 2 + 4 * len(WAVES), code)

    def forward(self, photographs: Tensor, opacity: Tensor) -> Tensor:
        """photographs: [B, 3, H, W] in [0, 1]; opacity: [B, 1, H, W], where the person is -> parts [B, code, 4].

        Means over the person alone, of each quarter of the picture's height.
        """
        halved = F.avg_pool2d(torch.cat([photographs, opacity], dim=1), 2)
        patches = F.pixel_unshuffle(halved * 2 - 1, PATCH // 2)
        features = self.layers(torch.cat([patches, _places(patches)], dim=1))
        weight = F.adaptive_avg_pool2d(opacity, features.shape[2:]).to(features.dtype) + 1e-3
        sums, weights = (F.adaptive_avg_pool2d(value, (PARTS, 1)) for value in (features * weight, weight))
        return at_least_float32((sums / weights).squeeze(-1))


class PartModulation(nn.Module):
    """Part codes -> AdaIN parameters of the blocks, one network a part; the code of nobody changes nothing."""

    def __init__(self, sizes: PaintedSizes) -> None:
        super().__init__()
        channels = sizes.narrow
        start = torch.stack([torch.ones(channels), torch.full((channels,), 0.1)])  # a block begins near the identity
        self.scale = nn.Parameter(start.repeat(PARTS, 1, 1))
        self.shift = nn.Parameter(torch.zeros(PARTS, LAYERS, channels))
        self.norm = nn.LayerNorm(sizes.code)
        self.networks = nn.ModuleList(_perceptron(sizes) for _ in range(PARTS))

    def forward(self, parts: Tensor) -> tuple[Tensor, Tensor]:
        """parts: [B, code, 4] -> scale and shift, [B, 4, 2, narrow] each."""
        codes = self.norm(parts.transpose(1, 2)).unbind(dim=1)
        made = [network(code) for network, code in zip(self.networks, codes, strict=True)]
        scale, shift = at_least_float32(torch.stack(made, dim=1)).unflatten(2, (2, LAYERS, -1)).unbind(dim=2)
        return self.scale + scale, self.shift + shift


class CodedBlock(nn.Module):
    """A residual block whose two norms take scale and shift from outside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _convolution(channels, channels), _convolution(channels, channels)
        self.activation = leaky_relu()

    def forward(self, features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """features: [B, C, H, W]; scale, shift: [B, 2, C] -> [B, C, H, W]."""
        inner = self.activation(adaptive_instance_norm(self.first(features), scale[:, 0], shift[:, 0]))
        return features + adaptive_instance_norm(self.second(inner), scale[:, 1], shift[:, 1])


def _sides(turn: Tensor, structure: Tensor) -> Tensor:
    """Cosine and sine of the turn as two maps at half the size."""
    radians = torch.deg2rad(turn.float())
    height, width = structure.shape[2] // 2, structure.shape[3] // 2
    told = torch.stack([radians.cos(), radians.sin()], dim=1).to(structure.dtype)
    return told[:, :, None, None].expand(-1, -1, height, width)


def _places(maps: Tensor) -> Tensor:
    """Where each pixel of maps [B, C, H, W] is, as sines and cosines [B, 12, H, W]."""
    height, width = maps.shape[2:]
    y, x = ((torch.arange(n, device=maps.device) + 0.5) / n for n in (height, width))
    phases = torch.stack(
        [2 * math.pi * wave * value for wave in WAVES for value in torch.meshgrid(y, x, indexing="ij")]
    )
    return torch.cat([phases.sin(), phases.cos()]).to(maps.dtype).expand(len(maps), -1, -1, -1)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return convolution(inputs, outputs, 3, padding="zeros", stride=stride)


def _level(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, outputs, stride), leaky_relu(), Residual(_two(outputs)))


def _two(channels: int) -> nn.Sequential:
    """Two convolutions that begin by saying nothing."""
    last = _convolution(channels, channels)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(cast(Tensor, last.bias))
    return nn.Sequential(_convolution(channels, channels), leaky_relu(), last)


def _perceptron(sizes: PaintedSizes) -> nn.Sequential:
    last = nn.Linear(sizes.modulation, 2 * LAYERS * sizes.narrow)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(sizes.code, sizes.modulation), leaky_relu(), last)


def _doubled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0)
