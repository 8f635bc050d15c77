"""The optimizer of the methods that train layers after the trunk faster than the trunk."""

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD

from gcl_cli.config import StyleSettings
from gcl_cli.networks.identity_encoder import IdentityEncoder


def layered_sgd(encoder: IdentityEncoder, settings: StyleSettings, *, beside: Iterable[nn.Parameter] = ()) -> SGD:
    """SGD over the trunk, and over the head and what stands `beside` it at `new_layer_factor` times the rate."""
    new = [*encoder.head.parameters(), *beside]
    layers = [
        {"params": list(encoder.trunk.parameters()), "factor": 1.0},
        {"params": [parameter for parameter in new if parameter.requires_grad], "factor": settings.new_layer_factor},
    ]
    momentum = settings.optimizer_momentum
    return SGD(
        layers, lr=settings.learning_rate, momentum=momentum, nesterov=momentum > 0, weight_decay=settings.weight_decay,
        fused=True,
    )  # fmt: skip
