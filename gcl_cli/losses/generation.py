"""Reconstruction losses of the generator and their sum (Eq. 1, 2 and 4)."""

import torch.nn.functional as F
from torch import Tensor


def image_reconstruction(real: Tensor, reconstructed: Tensor, cycled: Tensor) -> Tensor:
    """L_img: the picture comes back from its own code, and from the code of its novel view (Eq. 1).

    real, reconstructed, cycled: [B, 3, H, W], ImageNet-normalised. Returns a scalar in units of those pictures.
    """
    # Paper: L1 norms of picture and code differences (Eq. 1, 2). Here: means over entries, as in the published code.
    return F.l1_loss(reconstructed, real) + F.l1_loss(cycled, real)


def feature_reconstruction(parts: Tensor, parts_reconstructed: Tensor, parts_cycled: Tensor) -> Tensor:
    """L_feat: generated pictures keep the part code of the real one (Eq. 2); means over entries.

    parts, parts_reconstructed, parts_cycled: [B, C, 4]. Returns a scalar in units of the code.
    `parts` is a fixed target: without that, the encoder could please this loss by saying nothing.
    """
    target = parts.detach()
    return F.l1_loss(parts_reconstructed, target) + F.l1_loss(parts_cycled, target)


def gan_objective(
    image: Tensor, feature: Tensor, adversarial: Tensor, *, image_weight: float, feature_weight: float
) -> Tensor:
    """L_gan, what the generator side minimises: the weighted sum of the three scalars (Eq. 4)."""
    return image_weight * image + feature_weight * feature + adversarial
