"""The generator of views that ships with the package: what synthetic people taught it (view_generator.md beside it)."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from gcl_cli import body
from gcl_cli.body.shipped import whole
from gcl_cli.config import Architecture
from gcl_cli.networks.discriminator import Discriminator
from gcl_cli.networks.initialisation import initialise
from gcl_cli.networks.painted_generator import PaintedGenerator
from gcl_cli.networks.painter import Painter
from gcl_cli.weights.networks import place

SHIPPED = "shipped"  # what --generator calls it
FILE = Path(body.__file__).with_name("assets") / "view_generator.safetensors"
SIZE = (128, 64)  # height and width of the pictures that it learned from


def load_shipped_generator(device: torch.device) -> PaintedGenerator:
    """The generator, ready to draw; GclError when its file is not what was shipped."""
    generator = PaintedGenerator()
    generator.load_state_dict({name: value.float() for name, value in load_file(whole(FILE)).items()})
    return place(generator.eval().requires_grad_(False), device)


def new_painted_gan(architecture: Architecture, seed: int, device: torch.device) -> dict[str, nn.Module]:
    """A painter with the shipped weights, and a discriminator with weights drawn from `seed`."""
    painter, discriminator = Painter(architecture), Discriminator(architecture)
    painter.generator.load_state_dict(load_shipped_generator(torch.device("cpu")).state_dict())
    initialise(discriminator, torch.Generator().manual_seed(seed))
    return {"generator": place(painter, device), "discriminator": place(discriminator, device)}
