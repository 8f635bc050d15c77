"""Pictures of people from sides that no camera saw."""

from typing import cast

import torch
from torch import Tensor, nn

from gcl_cli.machine.devices import sent
from gcl_cli.networks.generator import Generator
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.painter import Painter
from gcl_cli.training.augmentation import denormalise, normalise
from gcl_cli.training.drawn_views import PaintedStructures, Structures, drawn_by_painter
from gcl_cli.training.novel_views import painted_people
from gcl_cli.training.structures import to_signal

BATCH = 64


@torch.no_grad()
def generate(
    networks: dict[str, nn.Module], pictures: Tensor, structures: Structures, rows: Tensor, angle_index: Tensor
) -> Tensor:
    """Generated pictures [M, 3, H, W] uint8: person `rows[i]` of `pictures` from side `angle_index[i]`; fp32.

    structures: PaintedStructures where the generator is a painter. All networks are put into evaluation mode.
    """
    for network in networks.values():
        network.eval()
    encoder = cast(IdentityEncoder, networks["identity_encoder"])
    if isinstance(structures, PaintedStructures):
        drawn = drawn_by_painter(cast(Painter, networks["generator"]), encoder, pictures, structures, "fp32")
        return painted_people(pictures, drawn, rows, angle_index)
    decoder = cast(Generator, networks["generator"])
    device = next(decoder.parameters()).device
    made = []
    for chunk, turns in zip(rows.split(BATCH), angle_index.split(BATCH), strict=True):
        modulation = decoder.modulation(encoder(normalise(sent(pictures[chunk], device))).parts)
        structure = networks["structure_encoder"](to_signal(structures(chunk, turns), device))
        made.append(denormalise(decoder(structure, modulation)).cpu())
    return torch.cat(made)
