"""The mathematics of the clustering written out plainly and densely: what the package is held against."""

import numpy as np
import torch
from torch import Tensor

from gcl_cli.clustering.jaccard import SparseDistance


def clustered_features(size: int, *, people: int, seed: int, dimension: int = 32, spread: float = 0.8) -> Tensor:
    """Unit rows [N, D] float64 scattered around `people` random centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((people, dimension))
    rows = centres[rng.integers(people, size=size)] + spread * rng.standard_normal((size, dimension))
    return torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def dense_weights(features: np.ndarray, *, k1: int, k2: int) -> np.ndarray:
    """V after query expansion, [N, N], by loops over sets."""
    size = len(features)
    distance = 2 - 2 * features @ features.T
    np.fill_diagonal(distance, -1)  # a picture is its own nearest
    ranking = np.argsort(distance, axis=1, kind="stable")[:, : min(k1, size)]
    np.fill_diagonal(distance, 0)

    def reciprocal(i: int, k: int) -> set[int]:
        return {int(j) for j in ranking[i, :k] if i in ranking[j, :k]}

    weights = np.zeros((size, size))
    for i in range(size):
        mine = reciprocal(i, k1)
        chosen = set(mine)
        for q in mine:
            theirs = reciprocal(q, round(k1 / 2) + 1)
            if len(theirs & mine) > 2 / 3 * len(theirs):
                chosen |= theirs
        members = sorted(chosen)
        weights[i, members] = np.exp(-distance[i, members]) / np.exp(-distance[i, members]).sum()
    return np.stack([weights[ranking[i, :k2]].mean(axis=0) for i in range(size)])


def dense_jaccard(features: np.ndarray, *, k1: int, k2: int) -> np.ndarray:
    """Jaccard distance [N, N] from the sums of minima and of maxima."""
    weights = dense_weights(features, k1=k1, k2=k2)
    smaller = np.stack([np.minimum(row, weights).sum(axis=1) for row in weights])
    larger = np.stack([np.maximum(row, weights).sum(axis=1) for row in weights])
    return np.maximum(1 - smaller / larger, 0)


def to_dense(distance: SparseDistance) -> np.ndarray:
    """The full symmetric matrix [N, N]."""
    dense = np.ones((distance.size, distance.size))
    rows, columns = distance.pairs()
    dense[rows, columns] = dense[columns, rows] = distance.values
    np.fill_diagonal(dense, 0)
    return dense


def to_sparse(dense: np.ndarray) -> SparseDistance:
    """The pairs of a symmetric matrix [N, N] that are nearer than 1."""
    rows, columns = np.nonzero(np.triu(dense < 1, 1))
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=len(dense)))))
    return SparseDistance(len(dense), indptr, columns.astype(np.int32), dense[rows, columns])


def same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two labellings have the same noise and the same clusters, up to their numbers."""
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    one_to_one = len(pairs) == len(set(first.tolist())) == len(set(second.tolist()))
    return one_to_one and bool(((first < 0) == (second < 0)).all())
