"""k-reciprocal re-ranking (Zhong et al., CVPR 2017), kept sparse: no matrix of all pictures by all pictures.

Queries and gallery are one set of N = Q + G pictures. The distance is d(i, j) / max over k of d(i, k), with d the
squared Euclidean distance between unit features: the queries' own scale, which keeps their order where lambda is 1.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse import csc_array, csr_array
from torch import Tensor

from gcl_cli.clustering.jaccard import (
    expanded_neighbours,
    half_of,
    query_expansion,
    similarities_at,
    weights_of_distances,
)
from gcl_cli.clustering.neighbours import nearest_neighbours

_BLOCK_DISTANCES = 1 << 25  # distances held at once: 128 MiB


def reranked_distances(
    query: Tensor, gallery: Tensor, *, k1: int, k2: int, original_weight: float
) -> Callable[[Tensor], np.ndarray]:
    """A function of rows [R] of `query` [Q, D] that gives their re-ranked distances to `gallery` [G, D]: [R, G].

    (1 - lambda) * Jaccard distance + lambda * d, lambda = `original_weight` in [0, 1]. Features: unit rows, on the CPU.
    k1 others are in a neighbour list; k2 pictures, the picture itself among them, lend each other their neighbours.
    """
    everyone = torch.cat([query, gallery])
    nearest, farthest = nearest_neighbours(everyone, k=min(k1, len(everyone) - 1) + 1), _farthest(everyone)
    pattern = expanded_neighbours(nearest, half=half_of(k1))
    weights = query_expansion(_weights(everyone, pattern, farthest), nearest[:, :k2])
    columns = weights[len(query) :].tocsc()  # [G, N]

    def distances(rows: Tensor) -> np.ndarray:
        plain = _scaled(query[rows] @ gallery.T, farthest[rows]).cpu().numpy()  # [R, G]
        overlap = _overlap(weights[rows.numpy()], columns, plain.shape)
        return (1 - original_weight) * (1 - overlap / (2 - overlap)).astype(plain.dtype) + original_weight * plain

    return distances


def _farthest(features: Tensor) -> Tensor:
    """The largest squared distance of each of [N, D] to another one: [N]."""
    rows = features.split(max(1, _BLOCK_DISTANCES // len(features)))
    found = torch.cat([2 - 2 * (block @ features.T).min(dim=1).values for block in rows])
    return found.clamp_(min=torch.finfo(features.dtype).eps)  # where all pictures are the same there is no scale


def _scaled(cosines: Tensor, farthest: Tensor) -> Tensor:
    """Squared distances of `cosines` [R, C] as shares of each row's largest, [R]."""
    return (2 - 2 * cosines).clamp_(min=0) / farthest[:, None]


def _weights(features: Tensor, pattern: csr_array, farthest: Tensor) -> csr_array:
    """exp(-d) at the entries of `pattern`, d the scaled distance; rows sum to 1."""
    pattern.sort_indices()
    squared = np.maximum(2 - 2 * similarities_at(features, pattern).astype(np.float64), 0)
    return weights_of_distances(squared / np.repeat(farthest.cpu().numpy(), np.diff(pattern.indptr)), pattern)


def _overlap(rows: csr_array, columns: csc_array, shape: tuple[int, ...]) -> np.ndarray:
    """The sum over g of min(V_qg, V_jg) for the rows q [R, N] and the pictures j of `columns` [G, N]: [R, G]."""
    overlap = np.zeros(shape)
    for number in range(shape[0]):
        own = slice(rows.indptr[number], rows.indptr[number + 1])
        first, end = columns.indptr[rows.indices[own]], columns.indptr[rows.indices[own] + 1]
        lengths = end - first
        met = np.arange(lengths.sum()) + np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
        shared = np.minimum(np.repeat(rows.data[own], lengths), columns.data[met])
        overlap[number] = np.bincount(columns.indices[met], shared, minlength=shape[1])
    return overlap
