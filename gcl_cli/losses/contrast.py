"""Contrasts: of views in joint training (Eq. 6-8), and of clusters in the warm-up."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def view_contrast(anchor: Tensor, positive: Tensor, pushed: Tensor, negatives: Tensor, *, temperature: float) -> Tensor:
    """Pull `anchor` towards `positive` while `pushed` leaves `negatives` (Eq. 6-8).

    -log( e^(anchor.positive / t) / ( e^(anchor.positive / t) + sum_k e^(pushed.negative_k / t) ) )

    anchor, positive, pushed: [B, D]; negatives: [B, K, D], or [K, D] for all; rows of unit length; K = 0 gives 0.
    Eq. 6: real, bank, synthetic; Eq. 7: synthetic, real, synthetic; Eq. 8: synthetic, bank, synthetic.
    Returns the batch mean, a scalar in nats, >= 0.
    """
    similarities = (negatives @ pushed.unsqueeze(-1)).squeeze(-1)  # [B, K]
    return _pull(anchor, positive, _logsumexp(similarities / temperature), temperature)


class ViewContrast(NamedTuple):
    """The three view-invariant losses, scalars in nats."""

    vi: Tensor  # L_vi, Eq. 6: real feature, another picture of the person in the bank
    vi_syn: Tensor  # L'_vi, Eq. 7: synthetic feature, the real picture it was made from
    vi_mem: Tensor  # L''_vi, Eq. 8: synthetic feature, another picture of the person in the bank


def view_contrast_terms(
    real: Tensor,
    synthetic: Tensor,
    positive_bank: Tensor,
    self_positive: Tensor,
    second_positive: Tensor,
    negative_logsumexp: Tensor,
    *,
    temperature: float,
) -> ViewContrast:
    """Eq. 6, 7 and 8 at once, over one sum of the negatives.

    real, synthetic: [B, D], f and f'; positive_bank, second_positive: [B, D], bank rows k+ of Eq. 6 and of Eq. 8;
    self_positive: [B, D], the positive of Eq. 7; all rows of unit length.
    negative_logsumexp: [B], from the function of that name. Returns batch means.
    """
    return ViewContrast(
        vi=_pull(real, positive_bank, negative_logsumexp, temperature),
        vi_syn=_pull(synthetic, self_positive, negative_logsumexp, temperature),
        vi_mem=_pull(synthetic, second_positive, negative_logsumexp, temperature),
    )


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


def _pull(anchor: Tensor, positive: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Batch mean of -log(e^p / (e^p + e^negatives)) = log(1 + e^(negatives - p)), p the positive's logit."""
    logits = (anchor * positive).sum(dim=1) / temperature  # [B]
    return torch.logaddexp(torch.zeros_like(logits), negatives - logits).mean()
