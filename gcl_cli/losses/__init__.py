"""One equation, one pure function.

Scores, features and pictures come in at least 32 bits; call these functions outside autocast, which would round the
similarities (a temperature of 0.04 makes 0.1 nats of bf16's last bit).
"""

from gcl_cli.losses.adversarial import (
    discriminator_adversarial,
    discriminator_logistic,
    generator_adversarial,
    generator_logistic,
    gradient_penalty,
)
from gcl_cli.losses.contrast import (
    ViewContrast,
    cluster_contrast,
    negative_logsumexp,
    view_contrast,
    view_contrast_terms,
)
from gcl_cli.losses.generation import feature_reconstruction, gan_objective, image_reconstruction

__all__ = [
    "ViewContrast",
    "cluster_contrast",
    "discriminator_adversarial",
    "discriminator_logistic",
    "feature_reconstruction",
    "gan_objective",
    "generator_adversarial",
    "generator_logistic",
    "gradient_penalty",
    "image_reconstruction",
    "negative_logsumexp",
    "view_contrast",
    "view_contrast_terms",
]
