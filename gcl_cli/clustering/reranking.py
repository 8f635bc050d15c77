"""k-reciprocal re-ranking (Zhong et al., CVPR 2017), kept sparse: no matrix of all pictures by all pictures.

Queries and gallery are one set of N = Q + G pictures. The distance is d(i, j) / max over k of d(i, k), with d the
squared Euclidean distance between unit features: the queries' own scale, which keeps their order where lambda is 1.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse import csc_array, csr_array
from torch import Tensor

_BLOCK_DISTANCES = 1 << 25  # distances held at once: 128 MiB


def reranked_distances(
    query: Tensor, gallery: Tensor, *, k1: int, k2: int, original_weight: float
) -> Callable[[Tensor], np.ndarray]:
    """A function of rows [R] of `query` [Q, D] that gives their re-ranked distances to `gallery` [G, D]: [R, G].

    (1 - lambda) * Jaccard distance + lambda * d, lambda = `original_weight` in [0, 1]. Features: unit rows, on the CPU.
    k1 others are in a neighbour list; k2 pictures, the picture itself among them, lend each other their neighbours.
    """
    everyone = torch.cat([query, gallery])
    nearest, farthest = _search(everyone, min(k1, len(everyone) - 1) + 1)
    # Zhong et al. round k1 / 2 half to even
    weights = _weights(everyone, expanded_lists(nearest, half=round(k1 / 2) + 1), farthest)
    weights = _mean_of_nearest(weights, nearest[:, :k2])
    columns = weights[len(query) :].tocsc()  # [G, N]

    def distances(rows: Tensor) -> np.ndarray:
        plain = _scaled(query[rows] @ gallery.T, farthest[rows]).cpu().numpy()  # [R, G]
        overlap = _overlap(weights[rows.numpy()], columns, plain.shape)
        return (1 - original_weight) * (1 - overlap / (2 - overlap)).astype(plain.dtype) + original_weight * plain

    return distances


def expanded_lists(nearest: np.ndarray, *, half: int) -> csr_array:
    """R*(i): i's reciprocal neighbours, and those of each such q whose own shorter list shares over 2/3 with i's.

    nearest: [N, K], itself first; half: length of q's list. Sparse [N, N] with positive entries; row i holds i.
    """
    reciprocal, halves = _reciprocal(nearest), _reciprocal(nearest[:, :half])
    shared = reciprocal.multiply(reciprocal @ halves).tocsr()
    shared.data = (3 * shared.data > 2 * halves.sum(axis=1)[shared.indices]).astype(np.int32)
    shared.eliminate_zeros()
    pattern = (reciprocal + shared @ halves).tocsr()
    pattern.sort_indices()
    return pattern


def _reciprocal(nearest: np.ndarray) -> csr_array:
    """Ones where i and j are in each other's lists: [N, K] -> sparse [N, N]."""
    listed = _listed(nearest, np.int32)
    return listed.multiply(listed.T).tocsr()


def _listed(nearest: np.ndarray, kind: np.typing.DTypeLike) -> csr_array:
    """Ones where j is in i's list: [N, K] -> sparse [N, N]."""
    size, length = nearest.shape
    ends = np.arange(size + 1) * length
    return csr_array((np.ones(nearest.size, dtype=kind), nearest.ravel(), ends), shape=(size, size))


def _search(features: Tensor, count: int) -> tuple[np.ndarray, Tensor]:
    """The `count` nearest of each of [N, D], itself first and equals by row, [N, count]; the largest distance, [N]."""
    nearest, farthest = [], []
    step = max(1, _BLOCK_DISTANCES // len(features))
    for start in range(0, len(features), step):
        cosines = features[start : start + step] @ features.T  # [step, N]
        farthest.append(2 - 2 * cosines.min(dim=1).values)
        cosines[:, start : start + step].fill_diagonal_(torch.inf)
        values, columns = cosines.topk(count, dim=1, sorted=False)
        columns, by_column = columns.sort(dim=1)
        by_value = values.gather(1, by_column).argsort(dim=1, descending=True, stable=True)
        nearest.append(columns.gather(1, by_value).cpu())
    # where all pictures are the same there is no scale
    return torch.cat(nearest).numpy(), torch.cat(farthest).clamp(min=torch.finfo(features.dtype).eps)


def _scaled(cosines: Tensor, farthest: Tensor) -> Tensor:
    """Squared distances of `cosines` [R, C] as shares of each row's largest, [R]."""
    return (2 - 2 * cosines).clamp_(min=0) / farthest[:, None]


def _weights(features: Tensor, pattern: csr_array, farthest: Tensor) -> csr_array:
    """exp(-d) at the entries of `pattern`, d the scaled distance; rows sum to 1."""
    size, values = len(features), np.empty(pattern.nnz)
    step = max(1, _BLOCK_DISTANCES // (features.shape[1] * max(1, pattern.nnz // size)))
    for start in range(0, size, step):
        block = slice(start, min(start + step, size))
        entries = slice(pattern.indptr[block.start], pattern.indptr[block.stop])
        lengths = torch.from_numpy(np.diff(pattern.indptr[block.start : block.stop + 1]).astype(np.int64))
        row = torch.repeat_interleave(torch.arange(block.start, block.stop), lengths)
        column = torch.from_numpy(pattern.indices[entries].astype(np.int64))
        cosines = (features[row] * features[column]).sum(dim=1, keepdim=True)  # [entries, 1]
        values[entries] = np.exp(-_scaled(cosines, farthest[row])[:, 0].double().cpu().numpy())
    sums = np.add.reduceat(values, pattern.indptr[:-1])
    values /= np.repeat(sums, np.diff(pattern.indptr))
    return csr_array((values, pattern.indices, pattern.indptr), shape=pattern.shape)


def _mean_of_nearest(weights: csr_array, nearest: np.ndarray) -> csr_array:
    """Each row's mean with those of its nearest, [N, k2] with itself first; rows still sum to 1."""
    mean = (_listed(nearest, np.float64) @ weights).tocsr()
    mean.data /= nearest.shape[1]
    return mean


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
