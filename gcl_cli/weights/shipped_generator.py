"""The generator of views that ships with the package: what synthetic people taught it (view_generator.md beside it)."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from gcl_cli import body
from gcl_cli.body.shipped import whole
from gcl_cli.networks.painted_generator import PaintedGenerator
from gcl_cli.weights.networks import place

SHIPPED = "shipped"  # what --generator calls it
FILE = Path(body.__file__).with_name("assets") / "view_generator.safetensors"
SIZE = (128, 64)  # height and width of the pictures that it learned from


def load_shipped_generator(device: torch.device) -> PaintedGenerator:
    """The generator, ready to draw; GclError when its file is not what was shipped."""
    generator = PaintedGenerator()
    generator.load_state_dict({name: value.float() for name, value in load_file(whole(FILE)).items()})
    return place(generator.eval().requires_grad_(False), device)
