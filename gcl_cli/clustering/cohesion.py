"""How well each cluster, and each picture in its cluster, holds together: exact, from a sparse distance."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array, vstack

from gcl_cli.clustering.jaccard import SparseDistance

BLOCKS = 16  # parts in which the pairs are looked at, so that not all are copied at once
SUSPICIOUS = 0.5  # doubt from which a picture is nearer to another cluster than to its own


@dataclass(frozen=True)
class Cohesion:
    """Mean distances within clusters, and the doubt about each picture."""

    tightness: np.ndarray  # [K] mean distance between two pictures of a cluster; 0 for a cluster of one
    doubt: np.ndarray  # [N] in [0, 1], NaN for noise
    nearest_other: np.ndarray  # [N] the nearest other cluster, -1: none is nearer than 1

    @property
    def suspicious(self) -> np.ndarray:
        """[N] bool: pictures that are nearer to another cluster than to their own."""
        return np.nan_to_num(self.doubt) > SUSPICIOUS


def cohesion(distance: SparseDistance, labels: np.ndarray) -> Cohesion:
    """Tightness of the clusters 0 .. K - 1 and doubt about the pictures; labels: [N], -1 = noise.

    doubt = (1 - silhouette) / 2 (Rousseeuw 1987): with a the mean distance to the other pictures of the own cluster
    and b that to the pictures of the nearest other cluster, silhouette = (b - a) / max(a, b); 0, so doubt 1/2, in a
    cluster of one. Pairs that `distance` leaves out count as 1.
    """
    sizes = np.bincount(labels[labels >= 0])
    closeness = _closeness(distance, labels, len(sizes))  # [N, K] sums of 1 - distance
    own_cluster = np.maximum(labels, 0)
    rows = np.arange(distance.size)
    own = 1 - closeness[rows, own_cluster] / np.maximum(sizes[own_cluster] - 1, 1)  # [N] a
    tightness = np.bincount(own_cluster[labels >= 0], own[labels >= 0], minlength=len(sizes)) / sizes
    tightness[sizes == 1] = 0
    others, nearest = _nearest_other(closeness, labels, sizes)
    silhouette = np.divide(others - own, np.maximum(others, own), out=np.zeros(len(own)), where=sizes[own_cluster] > 1)
    return Cohesion(tightness, np.where(labels >= 0, (1 - silhouette) / 2, np.nan), nearest)


def _closeness(distance: SparseDistance, labels: np.ndarray, clusters: int) -> csr_array:
    """Sums of 1 - distance of each picture to the pictures of each cluster, without itself: sparse [N, K]."""
    known, shape = np.flatnonzero(labels >= 0), (distance.size, clusters)
    member = coo_array((np.ones(len(known)), (known, labels[known])), shape=shape).tocsr()
    later, earlier = [], csr_array(shape)  # each pair is stored once and counts at both its ends
    for some in np.array_split(np.arange(distance.size), min(BLOCKS, distance.size)):
        near = _closeness_of_rows(distance, some[0], some[-1] + 1)
        later.append(near @ member)
        earlier = earlier + near.T @ member[some]
    return (vstack(later) + earlier).tocsr()


def _closeness_of_rows(distance: SparseDistance, start: int, stop: int) -> csr_array:
    """1 - distance of the rows start .. stop - 1 to later ones: sparse [B, N] float64."""
    ends = distance.indptr[start : stop + 1]
    pairs, near_ends = slice(ends[0], ends[-1]), (ends - ends[0]).astype(np.int32)
    near = 1 - distance.values[pairs].astype(np.float64)
    return csr_array((near, distance.indices[pairs], near_ends), shape=(stop - start, distance.size))


def _nearest_other(closeness: csr_array, labels: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest mean distance of each picture to another cluster, and which it is: [N], [N]."""
    closeness.sort_indices()
    smallest, nearest = np.ones(len(labels)), np.full(len(labels), -1)
    for some in np.array_split(np.arange(len(labels)), min(BLOCKS, len(labels))):
        part = closeness[some[0] : some[-1] + 1]
        rows = np.repeat(some, np.diff(part.indptr))
        mean = np.where(part.indices == labels[rows], 1.0, 1 - part.data / sizes[part.indices])
        filled = np.flatnonzero(np.diff(part.indptr))
        smallest[some[filled]] = np.minimum.reduceat(mean, part.indptr[filled]) if len(filled) else 1.0
        found = np.flatnonzero((mean == smallest[rows]) & (mean < 1))
        row, first = np.unique(rows[found], return_index=True)  # of equals the lowest cluster
        nearest[row] = part.indices[found[first]]
    return smallest, nearest
