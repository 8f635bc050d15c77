"""First weights: a function of the network's shapes and of one generator of chance."""

import math

import torch
from torch import Tensor, nn

from gcl_cli.networks.discriminator import Discriminator
from gcl_cli.networks.generator import Generator
from gcl_cli.networks.identity_encoder import GeM, IdentityEncoder
from gcl_cli.networks.normalisation import LayerNorm
from gcl_cli.networks.structure_encoder import StructureEncoder
from gcl_cli.networks.timm_trunk import TimmTrunk

DISCRIMINATOR_DEVIATION = 0.02

Network = IdentityEncoder | StructureEncoder | Generator | Discriminator


@torch.no_grad()
def initialise(network: Network, generator: torch.Generator) -> None:
    """Draw every weight of `network` anew, in place; biases and running statistics start afresh.

    Convolutions and linear layers are normal around 0. Deviation: structure encoder and generator sqrt(2 / fan in)
    (Kaiming), discriminator 0.02, identity encoder sqrt(2 / fan out) (torchvision's).
    A trunk of timm's gets the weights that timm draws.
    The weights do not depend on the device of `network`, only on the state and device of `generator`.
    """
    drawn_elsewhere: set[nn.Module] = set()
    for module in network.modules():
        if isinstance(module, TimmTrunk):
            module.redraw(generator)
            drawn_elsewhere |= set(module.modules())
        if module in drawn_elsewhere:
            continue
        if isinstance(module, nn.Conv2d | nn.Linear):
            drawn = torch.randn(module.weight.shape, generator=generator, device=generator.device)
            module.weight.copy_(drawn * _deviation(network, module.weight))
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, LayerNorm):
            module.gamma.copy_(torch.rand(module.gamma.shape, generator=generator, device=generator.device))
            module.beta.zero_()
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, GeM):
            module.p.fill_(GeM.START)


def _deviation(network: Network, weight: Tensor) -> float:
    """Standard deviation for a weight [outputs, inputs, ...] of `network`."""
    if isinstance(network, Discriminator):
        return DISCRIMINATOR_DEVIATION
    if isinstance(network, IdentityEncoder):
        return math.sqrt(2 / weight.transpose(0, 1)[0].numel())  # fan out
    return math.sqrt(2 / weight[0].numel())  # fan in
