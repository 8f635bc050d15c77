"""Losses of labelled batches: classification with smoothed labels, and the batch-hard triplets."""

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 1e-12  # floor of squared distances, where the gradient of the root would be infinite


def smoothed_cross_entropy(scores: Tensor, labels: Tensor, *, smoothing: float) -> Tensor:
    """-sum over the people k of q_k log softmax(scores)_k, q = 1 - smoothing at the label and smoothing / K everywhere.

    scores: [B, K]; labels: [B] int64 in 0..K-1. Returns the batch mean, a scalar in nats (Szegedy et al., CVPR 2016).
    """
    return F.cross_entropy(scores, labels, label_smoothing=smoothing)


def batch_hard_triplets(features: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """max(0, margin + farthest of the same label - nearest of another), Euclidean, for each picture of a batch.

    features: [B, D]; labels: [B] int64. Returns [B], in units of the features, 0 where a picture has nobody of
    another label (Hermans et al., "In defense of the triplet loss", 2017).
    """
    squares = features.square().sum(1)
    squared = squares[:, None] + squares - 2 * features @ features.T  # [B, B]
    distances = squared.clamp(min=SMALLEST).sqrt()
    same = labels[:, None] == labels
    farthest = distances.masked_fill(~same, 0).amax(1)
    nearest = distances.masked_fill(same, torch.inf).amin(1)
    return (margin + farthest - nearest).clamp(min=0)
