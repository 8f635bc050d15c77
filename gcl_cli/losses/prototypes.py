"""Contrast with the prototypes of clusters for pictures between two people (GCL+)."""

from torch import Tensor

from gcl_cli.losses.contrast import cluster_contrast


def mixed_cluster_contrast(
    features: Tensor, centroids: Tensor, labels: Tensor, partner_labels: Tensor, *, share: float, temperature: float
) -> Tensor:
    """-sum over the clusters k of y_k log softmax(f . p / t)_k, y = `share` at the label, the rest at the partner's.

    features: [B, D], of pictures made from mixed identity codes; centroids: [K, D], no gradient; rows of unit length;
    labels, partner_labels: [B] int64 in 0..K-1, the clusters of the two people in each; share: lambda in [0, 1].
    Returns the batch mean, a scalar in nats, >= 0 (L_id of x_mix in GCL+; with share 1 `cluster_contrast`).
    """
    # Paper: GCL+'s code names neither norm, temperature nor weight of this loss. Here: unit rows, .04 and 1 (guesses).
    own = cluster_contrast(features, centroids, labels, temperature=temperature)
    return share * own + (1 - share) * cluster_contrast(features, centroids, partner_labels, temperature=temperature)
