"""DBSCAN and HDBSCAN on a sparse distance."""

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from gcl_cli.clustering.jaccard import SparseDistance
from gcl_cli.clustering.radius import NEGLIGIBLE

NOISE = -1


def dbscan(distance: SparseDistance, *, radius: float, min_samples: int) -> np.ndarray:
    """DBSCAN (Ester et al. 1996): labels [N] int64, noise -1, clusters numbered by their first core picture.

    Neighbours are at most `radius` apart (d <= radius); a core picture has `min_samples` of them, itself included; a
    border picture takes the lowest label among its core neighbours. The same labels as scikit-learn on the dense
    matrix: clusters are the connected components of the core pictures.
    """
    if radius >= 1:  # absent pairs are neighbours too: all are core, or none is
        return np.full(distance.size, 0 if distance.size >= min_samples else NOISE, dtype=np.int64)
    near = distance.values <= radius
    rows, columns = (ends[near] for ends in distance.pairs())
    core = 1 + _ends_per_picture(rows, columns, distance.size) >= min_samples
    labels = np.full(distance.size, NOISE, dtype=np.int64)
    joined = core[rows] & core[columns]
    labels[core] = number_by_first_member(components(rows[joined], columns[joined], distance.size)[core])
    return _with_border(labels, core, rows, columns)


def hdbscan(distance: SparseDistance, *, min_cluster_size: int, min_samples: int) -> np.ndarray:
    """HDBSCAN (Campello et al. 2013): labels [N] int64, noise -1, clusters numbered by their first picture.

    min_cluster_size (at least 2) and min_samples are in pictures, the picture itself included. The clusters of
    scikit-learn's HDBSCAN on the dense matrix, up to ties: its tree is cut apart at distance 1, where no more than
    noise leaves and nothing gains stability. So pictures whose mutual reachability to all others is 1, and
    components smaller than min_cluster_size, are noise; the other components are linked at distance 1 for the
    library, which asks for a connected graph. Distances up to 1e-6 count as 1e-6: a sparse graph holds no zeros.
    """
    from sklearn.cluster import HDBSCAN  # seconds to import, which nobody else here needs to wait for

    rows, columns, reach = _mutual_reachability(distance, min_samples=min_samples)
    component = components(rows, columns, distance.size)
    kept = np.flatnonzero(np.bincount(component)[component] >= min_cluster_size)
    labels = np.full(distance.size, NOISE, dtype=np.int64)
    if len(kept) == 0:
        return labels
    # the weights are mutual reachabilities already: with min_samples = 1 the library leaves them as they are
    model = HDBSCAN(min_cluster_size=min_cluster_size, min_samples=1, metric="precomputed", copy=True)
    found = model.fit_predict(_linked_at_one(rows, columns, reach, component, kept)).astype(np.int64)
    found[found >= 0] = number_by_first_member(found[found >= 0])
    labels[kept] = found
    return labels


def core_distances(distance: SparseDistance, *, min_samples: int) -> np.ndarray:
    """The radius from which each picture is a core picture: the distance to its min_samples-th one, itself the first.

    Returns [N] float64; 1 where fewer pictures than that are nearer than 1.
    """
    if min_samples == 1:
        return np.zeros(distance.size)
    graph = _symmetric(*distance.pairs(), distance.values, distance.size)
    reach = np.ones(distance.size)
    for picture in np.flatnonzero(np.diff(graph.indptr) >= min_samples - 1):
        others = graph.data[graph.indptr[picture] : graph.indptr[picture + 1]]
        reach[picture] = np.partition(others, min_samples - 2)[min_samples - 2]
    return reach


def components(rows: np.ndarray, columns: np.ndarray, size: int) -> np.ndarray:
    """The connected component of each of `size` pictures, [size], under the undirected links (rows, columns)."""
    links = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(size, size))
    return connected_components(links, directed=False)[1]


def number_by_first_member(groups: np.ndarray) -> np.ndarray:
    """Renumber `groups` [M] from 0 in the order in which they first appear: [M] int64."""
    _, firsts, group = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(firsts), dtype=np.int64)
    rank[np.argsort(firsts)] = np.arange(len(firsts))
    return rank[group]


def _with_border(labels: np.ndarray, core: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Give border pictures the lowest label among their core neighbours."""
    lowest = np.full(len(labels), len(labels))
    for one, other in ((rows, columns), (columns, rows)):
        beside = core[one] & ~core[other]
        np.minimum.at(lowest, other[beside], labels[one[beside]])
    return np.where(lowest < len(labels), lowest, labels)


def _mutual_reachability(distance: SparseDistance, *, min_samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both ends and the mutual reachability max(core_i, core_j, d_ij) of the pairs where it is below 1: [P] each."""
    core = core_distances(distance, min_samples=min_samples)
    rows, columns = distance.pairs()
    reach = np.maximum(np.maximum(core[rows], core[columns]), np.maximum(distance.values, NEGLIGIBLE))
    linked = reach < 1
    return rows[linked], columns[linked], reach[linked]


def _linked_at_one(
    rows: np.ndarray, columns: np.ndarray, reach: np.ndarray, component: np.ndarray, kept: np.ndarray
) -> csr_array:
    """The pairs (rows, columns, reach) among the pictures `kept` [K], components chained at distance 1: [K, K]."""
    place = np.full(len(component), -1)
    place[kept] = np.arange(len(kept))
    inside = place[rows] >= 0
    _, firsts = np.unique(component[kept], return_index=True)  # a picture of each component
    starts = np.concatenate((place[rows[inside]], firsts[:-1]))
    ends = np.concatenate((place[columns[inside]], firsts[1:]))
    return _symmetric(starts, ends, np.concatenate((reach[inside], np.ones(len(firsts) - 1))), len(kept))


def _ends_per_picture(rows: np.ndarray, columns: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(rows, minlength=size) + np.bincount(columns, minlength=size)


def _symmetric(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, size: int) -> csr_array:
    ends = np.concatenate((rows, columns)).astype(np.int32), np.concatenate((columns, rows)).astype(np.int32)
    return coo_array((np.concatenate((values, values)), ends), shape=(size, size)).tocsr()
