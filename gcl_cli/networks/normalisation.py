"""Normalisations of the generator side; statistics are never taken in less than 32 bits."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # red, green, blue in [0, 1]
IMAGENET_STD = (0.229, 0.224, 0.225)
EPSILON = 1e-5  # against division by zero; the published code's


def at_least_float32(values: Tensor) -> Tensor:
    """`values` of any shape as float32, or as they are if they are float64."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def instance_norm(features: Tensor) -> Tensor:
    """Zero mean and unit (biased) variance of every channel of every picture.

    features: [B, C, H, W] with H * W > 1; the result has the same shape and dtype (Ulyanov et al., 2016).
    """
    return _normalise_maps(features, None, None)


def adaptive_instance_norm(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Instance norm, then `scale` times the value plus `shift` (AdaIN, Huang and Belongie, 2017).

    features: [B, C, H, W] with H * W > 1; scale, shift: [B, C], in at least 32 bits.
    `scale` is used as it is, without "+ 1". The result has the shape and dtype of `features`.
    """
    return _normalise_maps(features, scale.flatten(), shift.flatten())


def _normalise_maps(features: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    # Every map of every picture is one "channel" of a batch of one: batch norm then is instance norm. Its fused
    # kernel accumulates in 32 bits whatever the input, and is three times faster on a CPU than var_mean.
    maps = features.contiguous().view(1, -1, *features.shape[2:])  # [1, B*C, H, W]
    normalised = F.batch_norm(maps, None, None, scale, shift, training=True, eps=EPSILON).view(features.shape)
    # Back to the layout that came in: left to the convolution, this copy is made once more for its gradient.
    return normalised.contiguous(memory_format=_layout(features))


def _layout(features: Tensor) -> torch.memory_format:
    channels_last = features.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format


class InstanceNorm(nn.Module):
    """`instance_norm` as a layer, without parameters."""

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        return instance_norm(features)


class LayerNorm(nn.Module):
    """One mean and one *unbiased* standard deviation per picture; the decoder's norm after each upsampling.

    Unlike torch's, the epsilon is added to the standard deviation, and gamma and beta are per channel (MUNIT, DG-Net).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        values = at_least_float32(features)
        centred = values - values.mean(dim=(1, 2, 3), keepdim=True)
        size = torch.linalg.vector_norm(centred, dim=(1, 2, 3), keepdim=True)  # [B, 1, 1, 1]
        deviation = size / math.sqrt(values[0].numel() - 1)
        gain = self.gamma[:, None, None] / (deviation + EPSILON)  # [B, C, 1, 1]
        return torch.addcmul(self.beta[:, None, None], centred, gain).to(features.dtype)
