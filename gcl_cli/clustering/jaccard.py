"""k-reciprocal Jaccard distance (Zhong et al., CVPR 2017), kept sparse: pairs that share no neighbour are left out."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csc_array, csr_array
from torch import Tensor

from gcl_cli.clustering.kernels import compiled_loops
from gcl_cli.clustering.neighbours import nearest_neighbours

ROWS_AT_ONCE = 128  # rows of pair sums that exist at a time,
COMPILED_ROWS_AT_ONCE = 1024  # or of their pairs alone, as machine code finds them


@dataclass(frozen=True, eq=False)
class SparseDistance:
    """A symmetric distance in [0, 1] between `size` pictures: only the pairs nearer than 1, each of them once.

    The upper triangle in compressed rows: picture i's partners j > i are `indices[indptr[i] : indptr[i + 1]]`, in
    ascending order, at the distances `values` in the same places. Absent pairs are at distance 1, a picture is at 0
    from itself.
    """

    size: int
    indptr: np.ndarray  # [N + 1] int64
    indices: np.ndarray  # [P] int32
    values: np.ndarray  # [P] floating point, as the features

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Both ends (i, j) of the stored pairs, i < j, in the order of `values`: [P] int32 each."""
        return np.repeat(np.arange(self.size, dtype=np.int32), np.diff(self.indptr)), self.indices


def jaccard_distance(features: Tensor, *, k1: int, k2: int) -> SparseDistance:
    """k-reciprocal Jaccard distance between all pictures (Zhong et al. 2017; appendix A of the GCL paper).

    features: [N, D] float32 or float64, rows of unit length. k1: length of the neighbour lists, the picture itself
    included; k2: pictures whose neighbour weights are averaged (local query expansion), the picture itself included.
    Both are capped at N. Never holds an N x N matrix; memory grows with N x (shared neighbours).
    """
    # Paper: lists of the k1 nearest others (Zhong et al.). Here: k1 items with the picture itself, as in GCL's code.
    return jaccard_of_neighbours(features, nearest_neighbours(features, k=min(k1, len(features))), k2=k2)


def jaccard_of_neighbours(features: Tensor, nearest: np.ndarray, *, k2: int) -> SparseDistance:
    """The same from neighbour lists that were found otherwise; nearest: [N, k1], itself first."""
    return distance_of_overlaps(expanded_weights(features, nearest, k2=k2))


def expanded_weights(features: Tensor, nearest: np.ndarray, *, k2: int) -> csr_array:
    """V after the query expansion, sparse [N, N], from lists of neighbours [N, k1]: rows that overlap are near."""
    pattern = expanded_neighbours(nearest, half=half_of(nearest.shape[1]))
    return query_expansion(neighbour_weights(features, pattern), nearest[:, :k2])


def half_of(k1: int) -> int:
    """How many items of a shorter list belong to lists of k1: h + 1 with h = k1 / 2 rounded half to even."""
    return round(k1 / 2) + 1


def expanded_neighbours(nearest: np.ndarray, *, half: int) -> csr_array:
    """R*(i): the reciprocal neighbours of i, and those of its neighbours q whose own overlap with i's by over 2/3.

    nearest: [N, K], itself first; q's list has only the first `half` items.
    Returns the pattern as a sparse [N, N] matrix with positive entries; row i always holds i.
    """
    reciprocal = _reciprocal_neighbours(nearest)
    halves = _reciprocal_neighbours(nearest[:, :half])
    overlap = reciprocal.multiply(reciprocal @ halves).tocsr()  # halves is symmetric; only q among i's reciprocal ones
    lengths = halves.sum(axis=1)  # [N]
    overlap.data = (3 * overlap.data > 2 * lengths[overlap.indices]).astype(np.int32)
    overlap.eliminate_zeros()
    return (reciprocal + overlap @ halves).tocsr()


def neighbour_weights(features: Tensor, pattern: csr_array) -> csr_array:
    """V: exp(-d) at the entries of `pattern`, d the squared Euclidean distance 2 - 2 cos; each row sums to 1.

    features: [N, D], rows of unit length; pattern: sparse [N, N] without empty rows. Returns sparse [N, N].
    """
    pattern.sort_indices()
    return weights_of_distances(2 - 2 * similarities_at(features, pattern), pattern)


def weights_of_distances(distances: np.ndarray, pattern: csr_array) -> csr_array:
    """V: exp(-d) at the entries of `pattern` [N, N], whose distances [nnz] are given in its order; rows sum to 1."""
    closeness = np.exp(-distances)
    sums = np.add.reduceat(closeness, pattern.indptr[:-1])  # [N]
    weights = closeness / np.repeat(sums, np.diff(pattern.indptr))
    return csr_array((weights, pattern.indices, pattern.indptr), shape=pattern.shape)


def query_expansion(weights: csr_array, nearest: np.ndarray) -> csr_array:
    """Replace each row of `weights` [N, N] by the mean of its `nearest` [N, k2] rows; rows still sum to 1."""
    expanded = (_incidence(nearest).astype(weights.dtype) @ weights).tocsr()
    expanded.data /= weights.dtype.type(nearest.shape[1])
    expanded.sort_indices()
    return expanded


def _incidence(nearest: np.ndarray) -> csr_array:
    """Sparse [N, N] of ones where column j is in row i's list: [N, k] -> [N, N]."""
    size, k = nearest.shape
    entries = np.ones(size * k, dtype=np.int32), nearest.astype(np.int32).ravel()
    return csr_array((*entries, np.arange(size + 1, dtype=np.int32) * np.int32(k)), shape=(size, size))


def _reciprocal_neighbours(nearest: np.ndarray) -> csr_array:
    """Symmetric sparse [N, N] of ones where i and j are in each other's lists: [N, k] -> [N, N]."""
    incidence = _incidence(nearest)
    return incidence.multiply(incidence.T).tocsr()


def similarities_at(features: Tensor, pattern: csr_array) -> np.ndarray:
    """Cosine similarities at the entries of `pattern` alone, in its order: [nnz]."""
    starts = torch.as_tensor(pattern.indptr, dtype=torch.int64, device=features.device)
    columns = torch.as_tensor(pattern.indices, dtype=torch.int64, device=features.device)
    zeros = features.new_zeros(len(columns))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse")  # torch calls its compressed format a beta
        entries = torch.sparse_csr_tensor(starts, columns, zeros, size=pattern.shape, check_invariants=False)
    return torch.sparse.sampled_addmm(entries, features, features.T, beta=0.0).values().cpu().numpy()


def distance_of_overlaps(weights: csr_array) -> SparseDistance:
    """J = 1 - m / (2 - m) with m the sum over g of min(V_ig, V_jg), for the pairs i < j with m > 0.

    weights: V, sparse [N, N], sorted, rows sum to 1 (hence the sum of maxima is 2 - m).
    """
    places = np.arange(weights.nnz)
    columns = csr_array((places, weights.indices, weights.indptr), shape=weights.shape).tocsc()  # rows ascend in each
    below = np.empty_like(places)
    below[columns.data] = places + 1  # where the entries under an entry of V begin in `columns`
    columns.data = weights.data[columns.data]
    counts, partners, values = [], [], []
    for block in _all_overlaps(weights, columns, below):
        counts.append(block[0])
        partners.append(block[1])
        values.append(np.maximum(1 - block[2] / (2 - block[2]), 0).astype(weights.dtype))
    indptr = np.concatenate(([0], *counts)).cumsum()
    return SparseDistance(size=weights.shape[0], indptr=indptr, indices=_joined(partners), values=_joined(values))


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """The parts end to end; they are let go, since the pairs are what fills the memory."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def _all_overlaps(
    weights: csr_array, columns: csc_array, below: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The sums of minima of all pairs, some rows at a time: each row's number of partners, the partners, the sums."""
    size, loops = weights.shape[0], compiled_loops(weights.shape[0])
    sums = np.zeros(size)
    for start in range(0, size, ROWS_AT_ONCE if loops is None else COMPILED_ROWS_AT_ONCE):
        if loops is None:
            yield _overlaps(weights, columns, below, start)
        else:
            yield loops.sums_of_minima(
                start, min(start + COMPILED_ROWS_AT_ONCE, size), weights.indptr, weights.indices, weights.data, below,
                columns.indptr, columns.indices, columns.data, sums,
            )  # fmt: skip


def _overlaps(
    weights: csr_array, columns: csc_array, below: np.ndarray, start: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of minima between the rows from `start` on, ROWS_AT_ONCE of them, and every later row.

    Each entry of a row meets the entries below it in its own column. Returns the number of partners of each row [B],
    the partners [P] and the sums [P].
    """
    stop = min(start + ROWS_AT_ONCE, weights.shape[0])
    width = weights.shape[0] - start
    first, last = weights.indptr[start], weights.indptr[stop]
    begins = below[first:last]
    lengths = columns.indptr[weights.indices[first:last] + 1] - begins
    ends = np.cumsum(lengths)
    met = np.arange(ends[-1]) + np.repeat(begins - (ends - lengths), lengths)  # places in `columns`
    row_offset = np.repeat(np.arange(stop - start) * width - start, np.diff(weights.indptr[start : stop + 1]))
    cells = np.repeat(row_offset, lengths) + columns.indices[met]
    shared = np.minimum(np.repeat(weights.data[first:last], lengths), columns.data[met])
    sums = np.bincount(cells, shared, minlength=(stop - start) * width)
    found = np.flatnonzero(sums)
    counts = np.bincount(found // width, minlength=stop - start)
    return counts, (found % width + start).astype(np.int32), sums[found]
