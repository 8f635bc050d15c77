"""Convolutions that learn quickly from small maps on a CPU with AMX, of which oneDNN's weight gradient makes little."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gcl_cli.machine.devices import multiplies_tiles

LARGEST = 64  # pixels of a map; of larger ones, whose patches leave the caches, torch's own gradient is the faster


class SmallMapConv2d(nn.Conv2d):
    """torch's convolution; in bfloat16 on a CPU with AMX the gradient of its weight is one product over all patches.

    On one core it takes half to a fifth of torch's time (64 pictures, maps of 8 x 4, 128 to 512 channels), and without
    AMX a tenth more.
    """

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, D, h, w]."""
        if not self._pays(features):
            return super().forward(features)
        stride, padding = self.stride[0], int(self.padding[0])
        found: Tensor = _Convolution.apply(features.bfloat16(), self.weight.bfloat16(), stride, padding)
        return found

    def _pays(self, features: Tensor) -> bool:
        """Whether a gradient is wanted, and the one written here is faster than torch's."""
        if features.device.type != "cpu" or torch.compiler.is_compiling() or not multiplies_tiles():
            return False
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else features.dtype
        pixels = features.shape[2] * features.shape[3] // self.stride[0] ** 2
        wanted = torch.is_grad_enabled() and self.weight.requires_grad
        return wanted and kind == torch.bfloat16 and pixels <= LARGEST


def learn_small_maps(network: nn.Module) -> None:
    """Make every square, plain convolution of `network` with a kernel larger than 1 a SmallMapConv2d, in place."""
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_plain(module):
            module.__class__ = SmallMapConv2d  # a new one would draw its weights anew


def _is_plain(convolution: nn.Conv2d) -> bool:
    height, width = convolution.kernel_size
    even = len({*convolution.stride}) == len({*convolution.padding}) == 1
    whole = even and convolution.groups == 1 and convolution.dilation == (1, 1) and convolution.padding_mode == "zeros"
    return whole and convolution.bias is None and height == width > 1


def weight_gradient(gradient: Tensor, features: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """The gradient with respect to the weight, [D, C, k, k], channels last in memory.

    gradient: [B, D, h, w] of the output; features: [B, C, H, W], the input; both channels last.
    """
    outputs, (height, width) = gradient.shape[1], gradient.shape[2:]
    of_outputs = gradient.permute(0, 2, 3, 1).reshape(-1, outputs).t().contiguous()  # [D, B * h * w]
    padded = F.pad(features.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding)).contiguous()
    image, line, pixel, _ = padded.stride()
    run = kernel * features.shape[1]  # k neighbouring pixels of a line lie one behind the other
    patches = padded.as_strided(
        (len(padded), height, width, kernel, run), (image, stride * line, stride * pixel, line, 1)
    ).reshape(-1, kernel * run)  # [B * h * w, k * k * C]
    return (of_outputs @ patches).view(outputs, kernel, kernel, -1).permute(0, 3, 1, 2)


class _Convolution(torch.autograd.Function):
    """The same convolution, with that gradient of its weight."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.how = (stride, padding)
        return F.conv2d(features, weight, None, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        features, weight = ctx.saved_tensors
        stride, padding = ctx.how
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_input = None
        if ctx.needs_input_grad[0]:
            of_input = torch.ops.aten.convolution_backward(
                gradient, features, weight, None, [stride, stride], [padding, padding], [1, 1], False, [0, 0], 1,
                (True, False, False),
            )[0]  # fmt: skip
        return of_input, weight_gradient(gradient, features, weight.shape[-1], stride, padding), None, None
