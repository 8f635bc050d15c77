"""Prototypes of the clusters of an epoch, and the contrast with them (L_id of GCL+)."""

import torch.nn.functional as F
from torch import Tensor

from gcl_cli.losses.contrast import cluster_contrast
from gcl_cli.losses.prototypes import mixed_cluster_contrast
from gcl_cli.machine.devices import sent
from gcl_cli.training.bank import ClusterMemory
from gcl_cli.training.mixup import Mixup


def prototypes(memory: Tensor, labels: Tensor) -> Tensor:
    """p [K, D]: the direction of the mean of the memory's unit rows [N, D] of each pseudo label [N] (-1 = noise)."""
    return ClusterMemory.from_features(memory, labels).centroids


def prototype_loss(
    real: Tensor, mixed: Tensor | None, mixup: Mixup | None, rows: Tensor, *, labels: Tensor, centroids: Tensor,
    temperature: float,
) -> Tensor:  # fmt: skip
    """L_id of real pictures and, where identities are mixed, of the pictures between two people; a scalar in nats.

    real: [B, D] unit rows, f of the pictures `rows` [B]; mixed: [B, D] embeddings of x_mix, before the L2 norm;
    labels: [N] pseudo labels of the data set, those of `rows` >= 0; centroids: [K, D] prototypes.
    """
    own = sent(labels, real.device)[sent(rows, real.device)]
    loss = cluster_contrast(real, centroids, own, temperature=temperature)
    if mixed is None or mixup is None:
        return loss
    partners = own[sent(mixup.partners, own.device)]
    features = F.normalize(mixed.to(real.dtype), dim=1)
    return loss + mixed_cluster_contrast(
        features, centroids, own, partners, share=float(mixup.share[0]), temperature=temperature
    )
