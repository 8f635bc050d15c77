"""Features that lean on all others: each picture's, plus those of its mutual nearest neighbours."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn import functional as F

from gcl_cli.clustering.neighbours import nearest_elsewhere

LONGEST = 8  # entries of a list that is chosen: longer ones gained little anywhere, and lost where people have few
MUTUAL = 0.6  # share of mutual entries up to which lists grow,
CLEAR = 0.85  # unless it reaches this one somewhere
_ROWS = 4096  # pictures summed at a time


class Centralised(NamedTuple):
    """What has become of the features, and how."""

    features: Tensor  # [N, D], rows of unit length
    k: int  # entries of a list
    added: float  # neighbours that a picture took in, on average


def centralise(features: Tensor, cameras: Tensor, *, k: int | None = None) -> Centralised:
    """Add to each feature those of its mutual nearest neighbours in other cameras, and bring rows back to unit length.

    features: [N, D], rows of unit length, on the CPU; cameras: [N], -1 where unknown, which is another camera than any.
    Two pictures are mutual neighbours where each is among the `k` pictures of other cameras that are most like the
    other (Neighbor Feature Centralization, Yuan et al., CVPR 2025; there among all cameras). Without `k` it is chosen
    by `list_length`. A picture without such a neighbour stays as it is.
    """
    nearest = nearest_elsewhere(features, cameras, k=max(1, min(k or LONGEST, len(features) - 1)))
    ranks = mutual_ranks(nearest)
    length = k or list_length(nearest, ranks)
    ranks.data = (ranks.data <= length).astype(np.float32)
    ranks.eliminate_zeros()
    added = torch.empty_like(features)
    for start in range(0, len(features), _ROWS):
        block = slice(start, start + _ROWS)
        near = torch.from_numpy(ranks[block] @ features.numpy())
        added[block] = F.normalize(features[block] + near.to(features.dtype), dim=1)
    return Centralised(added, length, ranks.nnz / len(features))


def mutual_ranks(nearest: np.ndarray) -> csr_array:
    """For every two pictures that are in each other's list the later of their places there, 1 = first: sparse [N, N].

    nearest: [N, k] the lists, nearest first, -1 = no more. With lists cut after m entries, the pairs up to m remain.
    """
    rows, place = np.nonzero(nearest >= 0)
    listed = csr_array((place + 1, (rows, nearest[rows, place])), shape=(len(nearest), len(nearest)))
    both = listed.astype(bool).multiply(listed.T.astype(bool))
    return csr_array(listed.maximum(listed.T).multiply(both))


def list_length(nearest: np.ndarray, ranks: csr_array) -> int:
    """How long the lists are to be, from the share of their entries that are mutual at each length.

    nearest: [N, k] lists; ranks: their `mutual_ranks`. Where people are told apart, the share peaks at the number of
    pictures that a person has in other cameras, near 1: that number. Otherwise it grows all the way, and the lists stay
    at the last length at which at most six entries in ten are mutual: that was within a few percent of the best mAP of
    any length on most of twenty sets (docs/whole_gallery.md). At least 1, at most k.
    """
    lengths = range(1, nearest.shape[1] + 1)
    entries = [max(1, int((nearest[:, :length] >= 0).sum())) for length in lengths]
    shares = [int((ranks.data <= length).sum()) / count for length, count in zip(lengths, entries, strict=True)]
    if max(shares) >= CLEAR:
        return 1 + int(np.argmax(shares))
    over = [length for length, share in zip(lengths, shares, strict=True) if share > MUTUAL]
    return max(1, over[0] - 1) if over else nearest.shape[1]
