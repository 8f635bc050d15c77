"""Real against generated: least squares, the paper's logistic form, and the gradient penalty (Eq. 3).

A discriminator answers with one map of patch scores [B, 1, h, w] for each scale. Each function sums over scales and
over the kinds of generated pictures (reconstructed, novel view, cycled), and takes means over batch and patches.
Kinds judged in one merged batch are taken apart by `list(zip(*(m.chunk(kinds) for m in maps)))`.
"""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

PatchMaps = Sequence[Tensor]  # one [B, 1, h, w] for each scale


def discriminator_adversarial(real: PatchMaps, fakes: Sequence[PatchMaps]) -> Tensor:
    """What the discriminator minimises: real scores towards 1, those of each kind of fake towards 0.

    real: scores of real pictures; fakes: scores of each kind of generated pictures. Returns a scalar in squared scores.
    Each kind is set against the real pictures, so their term counts once for each kind (Mao et al., 2017).
    """
    # Paper: log D(x) + log(1 - D(y)) (Eq. 3). Here: least squares and a gradient penalty, as in the published code.
    real_term = _total((scores - 1).square().mean() for scores in real)
    fake_term = _total(scores.square().mean() for maps in fakes for scores in maps)
    return len(fakes) * real_term + fake_term


def generator_adversarial(fakes: Sequence[PatchMaps]) -> Tensor:
    """What the generator side minimises: scores of each kind of generated pictures towards 1; a scalar >= 0."""
    # Paper: log(1 - D(y)) (Eq. 3). Here: twice the squared distance of the score from 1, as in the published code.
    return 2 * _total((scores - 1).square().mean() for maps in fakes for scores in maps)


def discriminator_logistic(real: PatchMaps, fakes: Sequence[PatchMaps]) -> Tensor:
    """Minus Eq. 3: -E[log D(x)] - E[log(1 - D(y))] in nats, with D the sigmoid of the scores; a scalar >= 0."""
    real_term = _total(F.softplus(-scores).mean() for scores in real)
    fake_term = _total(F.softplus(scores).mean() for maps in fakes for scores in maps)
    return len(fakes) * real_term + fake_term


def generator_logistic(fakes: Sequence[PatchMaps]) -> Tensor:
    """The part of Eq. 3 that the generator can change: E[log(1 - D(y))] in nats; a scalar <= 0."""
    return -_total(F.softplus(scores).mean() for maps in fakes for scores in maps)


def _total(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()


def gradient_penalty(real: PatchMaps, pictures: Tensor) -> Tensor:
    """R1: batch mean of the squared norm of d(sum of a picture's patch scores) / d(picture), summed over scales.

    real: scores of the real `pictures` [B, 3, H, W], which require gradients; both from a forward pass outside
    autocast. Returns a scalar that can be differentiated with respect to the discriminator. In a loss it counts as
    often as the scores of the real pictures: once for each kind of generated pictures (Mescheder et al., 2018).
    """
    total = pictures.new_zeros(())
    for scores in real:
        # Pictures do not mix in the discriminator, so that one gradient of the sum holds every picture's own.
        (gradient,) = torch.autograd.grad(scores.sum(), pictures, create_graph=True)
        total = total + gradient.square().sum(dim=(1, 2, 3)).mean()
    return total
