"""MMCL (Wang and Zhang, CVPR 2020): which pictures share a label, and the loss over all of these labels.

Every training picture is a class of its own, and its row of the memory is the classifier of that class.
"""

import torch
from torch import Tensor


def predict_labels(memory: Tensor, indices: Tensor, *, threshold: float, candidates: int) -> Tensor:
    """The pictures that share a label with each of B pictures (MPLP, section 3.3 of MMCL).

    memory: [N, D], rows of unit length; indices: [B] rows of the pictures. threshold: similarity s above which
    another picture can share a label; n of them do. The most similar pictures are visited in order, and each must
    have the picture itself among its own nearest: at a rank (0 = first) of at most k = max(n, `candidates`). The
    first that has not ends the walk; what was passed, cut to n, shares the label, and so does the second most similar
    in any case. Equal similarities rank by row. Returns [B, N] bool, True at the picture itself too.
    """
    similarities = memory[indices] @ memory.T  # [B, N]
    count = (similarities > threshold).sum(1)  # [B] n
    nearest = similarities.sort(dim=1, descending=True, stable=True).indices[:, : max(int(count.max()), 1)]
    passed = _passed(memory, indices, nearest, count, count.clamp(min=candidates))
    kept = torch.minimum((passed - 1).clamp(min=1) + 1, count)  # [B]
    shared = torch.arange(nearest.shape[1], device=memory.device) < kept[:, None]
    labels = torch.zeros_like(similarities, dtype=torch.bool).scatter_(1, nearest, shared)
    return labels.scatter_(1, indices[:, None], True)


def _passed(memory: Tensor, indices: Tensor, nearest: Tensor, count: Tensor, reach: Tensor) -> Tensor:
    """How many of each picture's `nearest` [B, M], in order and up to `count` [B], rank it at most `reach` [B]."""
    passed = torch.zeros_like(count)
    for place, judges in enumerate(nearest.T):
        walking = ((passed == place) & (count > place)).nonzero().flatten()  # a card waits here, once a place
        if not len(walking):
            break
        passed[walking] += _ranks(memory, judges[walking], indices[walking]) <= reach[walking]
    return passed


def _ranks(memory: Tensor, judges: Tensor, indices: Tensor) -> Tensor:
    """The place, from 0, of each picture `indices` [W] among the pictures most like its judge `judges` [W]: [W]."""
    similarities = memory[judges] @ memory.T  # [W, N]
    own = similarities.gather(1, indices[:, None])
    rows = torch.arange(len(memory), device=memory.device)
    return ((similarities > own) | ((similarities == own) & (rows < indices[:, None]))).sum(1)


def multi_label(similarities: Tensor, labels: Tensor, *, positive_weight: float, hard_share: float) -> Tensor:
    """Squared distance of the positives to 1 and of the hardest negatives to -1 (MMCL, section 3.4).

    mean over pictures of [ positive_weight * mean over positives of (1 - s)^2 + mean over hard negatives of (1 + s)^2 ]

    similarities: [B, N], s = feature . memory, in [-1, 1]; labels: [B, N] bool, at least one positive in each row.
    hard_share: share of a picture's negatives that counts, the most similar ones, rounded down but at least one.
    Returns a scalar in squared similarities; gradients do not saturate near the positives as those of a sigmoid do.
    """
    positives = (labels * (1 - similarities).square()).sum(1) / labels.sum(1)  # [B]
    number = (~labels).sum(1)
    count = torch.minimum((hard_share * number).long().clamp(min=1), number)  # [B]
    most = max(1, int(hard_share * labels.shape[1]))  # at least the largest count, which a card would have to tell
    hardest = similarities.masked_fill(labels, -1.0).topk(most, dim=1).values  # [B, most]; -1 adds nothing
    chosen = torch.arange(most, device=labels.device) < count[:, None]
    negatives = (chosen * (1 + hardest).square()).sum(1) / count.clamp(min=1)
    return (positive_weight * positives + negatives).mean()
