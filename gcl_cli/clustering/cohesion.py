"""How well each cluster, and each picture in its cluster, holds together: exact, from a sparse distance."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from gcl_cli.clustering.jaccard import SparseDistance

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
    rows, columns = distance.pairs()
    near = 1 - distance.values.astype(np.float64)
    ends = np.concatenate((rows, columns)), labels[np.concatenate((columns, rows))]
    kept = ends[1] >= 0
    values = np.concatenate((near, near))[kept]
    return coo_array((values, (ends[0][kept], ends[1][kept])), shape=(distance.size, clusters)).tocsr()


def _nearest_other(closeness: csr_array, labels: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest mean distance of each picture to another cluster, and which it is: [N], [N]."""
    table = closeness.tocoo()
    row, cluster = table.coords
    other = cluster != labels[row]
    row, cluster, mean = row[other], cluster[other], 1 - table.data[other] / sizes[cluster[other]]
    order = np.lexsort((cluster, mean, row))
    firsts = order[np.unique(row[order], return_index=True)[1]]
    smallest, nearest = np.ones(len(labels)), np.full(len(labels), -1)
    smallest[row[firsts]], nearest[row[firsts]] = mean[firsts], cluster[firsts]
    return smallest, nearest
