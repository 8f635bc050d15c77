"""Contrasts: of views in joint training (Eq. 6-8), whose objective is Eq. 9, and of clusters in the warm-up."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor


def joint_objective(terms: Mapping[str, Tensor], *, prototype_weight: float = 1.0) -> Tensor:
    """L = L_gan + L_vi + L'_vi + L''_vi (Eq. 9), of the terms that a step has; a scalar.

    terms: `gan` (Eq. 4), `vi`, `vi_syn`, `vi_mem` (Eq. 6-8) and, with GCL+, `prototype`, which alone has a weight.
    """
    first, *others = (prototype_weight * term if name == "prototype" else term for name, term in terms.items())
    return sum(others, start=first)


def view_contrast(anchor: Tensor, positive: Tensor, negatives: Tensor, *, temperature: float) -> Tensor:
    """Pull `anchor` towards `positive`, against the sum S of the negatives (Eq. 6-8).

    -log( e^(anchor.positive / t) / ( e^(anchor.positive / t) + S ) ) = log(1 + e^(log S - anchor.positive / t))

    anchor, positive: [B, D], rows of unit length; negatives: log S [B], from `negative_logsumexp`: one sum serves all
    three. Eq. 6, L_vi: anchor f, positive k+, another picture of the person in the bank. Eq. 7, L'_vi: f' and the f of
    the picture that it was made from. Eq. 8, L''_vi: f' and a k+ of its own.
    Returns the batch mean, a scalar in nats, >= 0; a picture without negatives adds 0.
    """
    logits = (anchor * positive).sum(dim=1) / temperature  # [B]
    return torch.logaddexp(torch.zeros_like(logits), negatives - logits).mean()


def negative_logsumexp(pushed: Tensor, bank: Tensor, negative_mask: Tensor, *, temperature: float) -> Tensor:
    """log S, S = sum over the negatives of e^(pushed.negative / t), the sum shared by Eq. 6-8.

    pushed: [B, D], f' (the paper's choice; f where no view is generated); bank: [N, D]; rows of unit length.
    negative_mask: [B, N] bool, true where a row of the bank is a negative of this picture.
    Returns [B], in nats; -inf where a picture has no negative, which makes each of its terms 0.
    """
    similarities = pushed @ bank.T / temperature  # [B, N]
    return _logsumexp(similarities.masked_fill(~negative_mask, -torch.inf))


def cluster_contrast(features: Tensor, centroids: Tensor, labels: Tensor, *, temperature: float) -> Tensor:
    """-log softmax over the clusters k of (feature . centroid_k / t), at the picture's own cluster.

    features: [B, D]; centroids: [K, D], no gradient; rows of unit length; labels: [B] int64 in 0..K-1.
    Returns the batch mean, a scalar in nats, >= 0 (Dai et al., "Cluster Contrast", ACCV 2022).
    """
    return F.cross_entropy(features @ centroids.T / temperature, labels)


def _logsumexp(logits: Tensor) -> Tensor:
    """[B, K] -> [B]. A row without a finite entry gives a constant -inf: the gradient of torch's would be NaN."""
    empty = torch.isneginf(logits).all(dim=1, keepdim=True)  # [B, 1], true for K = 0 too
    return logits.masked_fill(empty, 0).logsumexp(dim=1).masked_fill(empty.squeeze(1), -torch.inf)


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
