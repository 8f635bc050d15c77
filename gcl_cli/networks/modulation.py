"""From the part code to the AdaIN parameters of the decoder."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gcl_cli.config import Architecture
from gcl_cli.networks.convolution import LEAK
from gcl_cli.networks.identity_encoder import PARTS
from gcl_cli.networks.normalisation import at_least_float32
from gcl_cli.networks.trunk import part_size

LAYERS = 2  # AdaIN layers in one residual block


class Modulation(NamedTuple):
    """AdaIN parameters of the decoder for B identity codes, over its four blocks and the two norms of each."""

    scale: Tensor  # [B, 4, 2, 8 * generator_width]
    shift: Tensor  # [B, 4, 2, 8 * generator_width]


class ModulationNetworks(nn.Module):
    """Eight small networks: the p-th part of the identity code makes scale and shift of the p-th decoder block."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        inputs, hidden = part_size(architecture), architecture.modulation_width
        outputs = LAYERS * 8 * architecture.generator_width
        self.part_layout = architecture.part_layout
        self.scale = nn.ModuleList(_perceptron(inputs, hidden, outputs) for _ in range(PARTS))
        self.shift = nn.ModuleList(_perceptron(inputs, hidden, outputs) for _ in range(PARTS))

    def forward(self, parts: Tensor) -> Modulation:
        """parts: [B, C, 4] -> scale and shift, [B, 4, 2, 8 * generator_width] each, in at least 32 bits."""
        codes = self._codes(parts)
        return Modulation(_outputs(self.scale, codes), _outputs(self.shift, codes))

    def _codes(self, parts: Tensor) -> tuple[Tensor, ...]:
        """The input of each block's networks, four of [B, C]."""
        if self.part_layout == "stripe":
            return parts.unbind(dim=2)
        # The published code flattens channel by channel (entry = 4 * channel + stripe) and cuts four equal pieces:
        # block p then sees a quarter of the channels of all stripes. Needed to use its weights.
        return parts.flatten(1).chunk(PARTS, dim=1)


def _outputs(networks: nn.ModuleList, codes: tuple[Tensor, ...]) -> Tensor:
    blocks = torch.stack([network(code) for network, code in zip(networks, codes, strict=True)], dim=1)  # [B, 4, 2 * C]
    return at_least_float32(blocks.unflatten(2, (LAYERS, -1)))  # [B, 4, 2, C]


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.LeakyReLU(LEAK),
        nn.Linear(hidden, hidden),
        nn.LeakyReLU(LEAK),
        nn.Linear(hidden, outputs),
    )
