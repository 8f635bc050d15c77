"""Neural networks; shapes in every docstring."""

from gcl_cli.networks.discriminator import Discriminator
from gcl_cli.networks.generator import Generator
from gcl_cli.networks.identity_encoder import IdentityCode, IdentityEncoder, load_imagenet
from gcl_cli.networks.initialisation import initialise
from gcl_cli.networks.modulation import Modulation
from gcl_cli.networks.structure_encoder import StructureEncoder

__all__ = [
    "Discriminator",
    "Generator",
    "IdentityCode",
    "IdentityEncoder",
    "Modulation",
    "StructureEncoder",
    "initialise",
    "load_imagenet",
]
