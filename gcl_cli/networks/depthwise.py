"""Depthwise convolutions that learn quickly on a CPU, where torch's own backward pass of them is the whole cost."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TILE = 3  # the largest kernel whose weight gradient oneDNN computes quickly
Pads = tuple[int, int, int, int]  # left, right, top, bottom


class DepthwiseConv2d(nn.Conv2d):
    """A convolution of every channel by itself, without bias, padded as TensorFlow's "same" pads even sizes.

    [B, C, H, W] -> [B, C, H / stride, W / stride]; at stride 2 the odd pixel of padding lies right and below.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, groups=channels, bias=False)
        self.pads = same_pads(kernel, stride)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H / stride, W / stride]."""
        stride, learns = self.stride[0], torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if not (learns and own_gradient_pays(features.device, self.kernel_size[0], stride)):
            return _convolved(features, self.weight, stride, self.pads)
        weight = self.weight
        if torch.is_autocast_enabled("cpu"):
            features, weight = (x.to(torch.get_autocast_dtype("cpu")) for x in (features, weight))
        found: Tensor = _Depthwise.apply(features, weight, stride, self.pads)
        return found


def same_pads(kernel: int, stride: int) -> Pads:
    """TensorFlow's "same" padding of even sizes."""
    total = kernel - stride if stride > 1 else kernel - 1
    return (total // 2, total - total // 2) * 2


def own_gradient_pays(device: torch.device, kernel: int, stride: int) -> bool:
    """Whether the gradients written here are faster than torch's: on a CPU, of large kernels or of strides."""
    return device.type == "cpu" and (kernel > TILE or stride > 1)


def input_gradient(gradient: Tensor, weight: Tensor, shape: torch.Size, stride: int, pads: Pads) -> Tensor:
    """The gradient with respect to the input, of `shape` [B, C, H, W]: a convolution with the mirrored kernel.

    gradient: [B, C, h, w] of the output, spread out by the stride; weight: [C, 1, k, k].
    """
    (height, width), kernel = shape[2:], weight.shape[-1]
    spread = gradient
    if stride > 1:
        spread = gradient.new_zeros(*shape[:2], *(stride * size for size in gradient.shape[2:]))
        spread = spread.contiguous(memory_format=torch.channels_last)
        spread[:, :, ::stride, ::stride] = gradient
    left, _, top, _ = pads
    before = (kernel - 1 - left, kernel - 1 - top)
    after = (width - spread.shape[3] + left, height - spread.shape[2] + top)
    return _convolved(spread, weight.flip(2, 3), 1, (before[0], after[0], before[1], after[1]))


def weight_gradient(gradient: Tensor, features: Tensor, weight: Tensor, stride: int, pads: Pads) -> Tensor:
    """The gradient with respect to the weight [C, 1, k, k], put together from tiles of at most 3 x 3 taps.

    gradient: [B, C, h, w] of the output; features: [B, C, H, W], the input.
    """
    kernel, padded = weight.shape[-1], F.pad(features, pads)
    found, side = torch.empty_like(weight), min(TILE, kernel)
    height, width = (stride * (size - 1) + side for size in gradient.shape[2:])
    starts = [*range(0, kernel - side, side), kernel - side]
    for top in starts:
        for left in starts:
            seen = padded[:, :, top : top + height, left : left + width].contiguous(memory_format=torch.channels_last)
            found[:, :, top : top + side, left : left + side] = torch.ops.aten.convolution_backward(
                gradient, seen, weight[:, :, :side, :side].contiguous(), None, [stride, stride], [0, 0], [1, 1], False,
                [0, 0], len(weight), (False, True, False),
            )[1]  # fmt: skip
    return found


class _Depthwise(torch.autograd.Function):
    """The same convolution, with gradients from fast ones."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, stride: int, pads: Pads) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.how = (stride, pads)
        return _convolved(features, weight, stride, pads)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        features, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_input = input_gradient(gradient, weight, features.shape, *ctx.how) if ctx.needs_input_grad[0] else None
        of_weight = weight_gradient(gradient, features, weight, *ctx.how) if ctx.needs_input_grad[1] else None
        return of_input, of_weight, None, None


def _convolved(features: Tensor, weight: Tensor, stride: int, pads: Pads) -> Tensor:
    left, right, top, bottom = pads
    if (left, top) == (right, bottom):
        return F.conv2d(features, weight, None, stride, (top, left), 1, len(weight))
    return F.conv2d(F.pad(features, pads), weight, None, stride, 0, 1, len(weight))
