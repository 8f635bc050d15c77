"""How much memory the clustering needs, before it is begun."""

import numpy as np
from scipy.sparse import csr_array

SEARCHED_AT_ONCE = 1024  # rows of similarities that exist at a time
FIXED = 130_000_000  # what the libraries take when they are first used, numba among them
COPIES = 2  # of the features: as they came, and without their camera;
COPIES_MADE = 3  # a third while the camera is taken out
BYTES_A_NEIGHBOUR = 70  # lists, their reciprocal patterns, weights, and their transposes; measured
BYTES_A_PAIR = 21  # a pair has 8; more while parts are joined, DBSCAN looks for near ones, and clusters are judged
PAIRS_A_NEIGHBOUR = 15  # pairs nearer than 1 for each neighbour of a picture; measured: 1 (tight people) to 160 (noise)
SAMPLED = 512  # pictures whose pairs are counted


def clustering_bytes(size: int, *, dimension: int, k1: int, pairs: int | None = None) -> int:
    """About the most memory in bytes that clustering `size` pictures takes, their features included.

    dimension: numbers a feature; k1: neighbours of the k-reciprocal sets; pairs: how many pictures share neighbours,
    which only the features tell; None: as many as features of people have as a rule, and noise has ten times as many.
    """
    pairs = PAIRS_A_NEIGHBOUR * k1 * size if pairs is None else pairs
    features = 4 * dimension * size
    search = 1.5 * 4 * SEARCHED_AT_ONCE * size
    at_once = max(search, graph_bytes(size, k1=k1, pairs=pairs))
    return round(FIXED + max(COPIES_MADE * features, COPIES * features + at_once))


def graph_bytes(size: int, *, k1: int, pairs: int) -> int:
    """About the most that the pairs take, with all that is needed to find and to use them."""
    return BYTES_A_NEIGHBOUR * k1 * size + BYTES_A_PAIR * pairs


def pictures_that_fit(available: int, *, dimension: int, k1: int) -> int:
    """The number of pictures whose clustering takes at most `available` bytes."""
    each = (clustering_bytes(1 << 20, dimension=dimension, k1=k1) - FIXED) / (1 << 20)
    return int(max(0, available - FIXED) / each)


def expected_pairs(weights: csr_array) -> int:
    """About how many pairs of rows of `weights` [N, N] share a column, from SAMPLED rows; exact for no more rows."""
    size = weights.shape[0]
    rows = np.unique(np.linspace(0, size - 1, min(SAMPLED, size)).round().astype(np.int64))
    partners = (weights[rows] @ weights.T).nnz - len(rows)  # without themselves
    return round(partners / len(rows) * size / 2)
