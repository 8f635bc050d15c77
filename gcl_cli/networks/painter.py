"""The painted generator of a work folder: as it ships, and beside what it sees of a photograph the identity code."""

import torch
from torch import Tensor, nn

from gcl_cli.config import Architecture
from gcl_cli.networks.identity_encoder import PARTS
from gcl_cli.networks.normalisation import at_least_float32
from gcl_cli.networks.painted_generator import PaintedGenerator, PaintedSizes
from gcl_cli.networks.trunk import part_size


class Painter(nn.Module):
    """Structure, turn and looks -> colours and alpha, as `PaintedGenerator`; looks lean on E_id's part codes as well.

    The codes say nothing at first, so that a new painter is the generator that it was given.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.generator = PaintedGenerator()
        self.norm = nn.LayerNorm(part_size(architecture), elementwise_affine=False)
        self.codes = nn.Linear(part_size(architecture), PaintedSizes().code)
        nn.init.zeros_(self.codes.weight)
        nn.init.zeros_(self.codes.bias)

    def looks(self, photographs: Tensor, opacity: Tensor, parts: Tensor) -> Tensor:
        """photographs: [B, 3, H, W] in [0, 1]; opacity: [B, 1, H, W], where the body is; parts: [B, C, 4] of E_id.

        Returns what `PaintedGenerator.appearance` does, with the identity code in the part codes.
        """
        seen = self.generator.appearance(photographs, opacity)
        told = at_least_float32(self.codes(self.norm(parts.transpose(1, 2)))).transpose(1, 2)  # [B, code, 4]
        return torch.cat([seen[:, :, :PARTS] + told, seen[:, :, PARTS:]], dim=2)

    def forward(self, structure: Tensor, turn: Tensor, looks: Tensor) -> Tensor:
        """As `PaintedGenerator.forward`."""
        drawn: Tensor = self.generator(structure, turn, looks)
        return drawn
