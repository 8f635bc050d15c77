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
from gcl_cli.losses.consistency import global_consistency, local_consistency, version_means
from gcl_cli.losses.contrast import cluster_contrast, joint_objective, negative_logsumexp, view_contrast
from gcl_cli.losses.generation import feature_reconstruction, gan_objective, image_reconstruction
from gcl_cli.losses.identity import batch_hard_triplets, smoothed_cross_entropy
from gcl_cli.losses.multi_label import multi_label, predict_labels
from gcl_cli.losses.prototypes import mixed_cluster_contrast

__all__ = [
    "batch_hard_triplets",
    "cluster_contrast",
    "discriminator_adversarial",
    "discriminator_logistic",
    "feature_reconstruction",
    "gan_objective",
    "generator_adversarial",
    "generator_logistic",
    "global_consistency",
    "gradient_penalty",
    "image_reconstruction",
    "joint_objective",
    "local_consistency",
    "mixed_cluster_contrast",
    "multi_label",
    "negative_logsumexp",
    "predict_labels",
    "smoothed_cross_entropy",
    "version_means",
    "view_contrast",
]
