"""Convolutions as the generator and the discriminator use them."""

from typing import Literal

from torch import Tensor, nn

from gcl_cli.config import Architecture
from gcl_cli.errors import GclError

Padding = Literal["reflect", "zeros"]

LEAK = 0.2  # slope of every leaky ReLU outside the identity encoder


def convolution(
    inputs: int, outputs: int, kernel: int, *, padding: Padding, stride: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A convolution with bias that keeps the size at stride 1 (odd `kernel`); `padding` is torch's padding mode."""
    border = dilation * (kernel // 2)
    return nn.Conv2d(inputs, outputs, kernel, stride, border, dilation, padding_mode=padding)


def leaky_relu() -> nn.LeakyReLU:
    """LeakyReLU(0.2); in place, since neither convolutions nor norms need their own output for the gradient."""
    return nn.LeakyReLU(LEAK, inplace=True)


class Residual(nn.Module):
    """The input plus what `body` makes of it; no activation after the sum."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        return features + self.body(features)


def require_reflectable(architecture: Architecture, smallest_side: int, border: int) -> None:
    """Raise GclError if reflection padding of `border` pixels meets a map only `smallest_side` pixels wide."""
    if architecture.padding == "reflect" and smallest_side <= border:
        raise GclError(
            f"Pictures of {architecture.height}x{architecture.width} pixels are too small for reflection padding: "
            f"a border of {border} meets a map {smallest_side} wide.",
            "Use larger pictures, or --set architecture.padding=zeros.",
        )
