"""DBSCAN with the percentile radius on any distance, recording by recording where there are several (JVTC, ACT)."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gcl_cli.clustering.blocks import (
    DistanceRows,
    closest_pairs,
    entries,
    mixed,
    nearest_rows,
    normalised,
    pairs_within,
)
from gcl_cli.clustering.density import dbscan
from gcl_cli.clustering.jaccard import (
    SparseDistance,
    distance_of_overlaps,
    expanded_neighbours,
    half_of,
    query_expansion,
    weights_of_distances,
)
from gcl_cli.clustering.radius import NEGLIGIBLE, percentile_radius
from gcl_cli.records import PseudoLabels

SLOT_SHARE = 3.0  # a slot's pictures show fewer people: the share of closest pairs is this many times as large


def percentile_dbscan(
    distance: DistanceRows, *, rho: float, factor: float, min_samples: int, radius: float | None = None,
    floor: float = NEGLIGIBLE,
) -> PseudoLabels:  # fmt: skip
    """DBSCAN whose radius is `factor` times the mean distance of the share `rho` of the closest pairs; all pairs count.

    radius: a fixed one in its place; floor: as in `percentile_radius`. Raises GclError when the share rounds to no pair
    at all.
    """
    if radius is None:
        closest = closest_pairs(distance, count=round(rho * pairs_of(distance.size)), floor=floor)
        radius = factor * percentile_radius(closest, rho=rho, floor=floor)
    near = pairs_within(distance, radius=min(radius, 1.0))
    return PseudoLabels(labels=dbscan(near, radius=radius, min_samples=min_samples), radius=radius)


def jaccard_mixture(distance: DistanceRows, *, k1: int, k2: int, weight: float) -> DistanceRows:
    """weight * J + (1 - weight) * d: d is the distance normalised, J the k-reciprocal Jaccard distance of d.

    k1: nearest others in the neighbour lists; k2: pictures of the query expansion, the picture itself included.
    """
    plain = normalised(distance)
    return mixed(jaccard_of_rows(plain, k1=k1, k2=k2), plain, weight=weight)


def jaccard_of_rows(distance: DistanceRows, *, k1: int, k2: int) -> SparseDistance:
    """k-reciprocal Jaccard distance (Zhong et al. 2017) of any distance, with lists of the `k1` nearest others."""
    nearest = nearest_rows(distance, k=min(k1 + 1, distance.size))
    pattern = expanded_neighbours(nearest, half=half_of(k1))
    pattern.sort_indices()
    weights = weights_of_distances(entries(distance, pattern), pattern)
    return distance_of_overlaps(query_expansion(weights, nearest[:, :k2]))


def cluster_slots(
    slots: Tensor | None, cluster: Callable[[Tensor, float], PseudoLabels], *, size: int, rho: float
) -> PseudoLabels:
    """Cluster each slot's pictures alone, with three times the share `rho`; labels differ between slots.

    slots: [N], None: all pictures are one slot, with the share itself. cluster: rows [M] and their share -> labels [M].
    A slot whose share rounds to no pair leaves its pictures alone, each a cluster; `fallback` says so. The radius is
    the mean of the slots'.
    """
    if slots is None:
        return cluster(torch.arange(size), rho)
    share = min(SLOT_SHARE * rho, 1.0)
    labels, radii, taken, small = np.empty(size, dtype=np.int64), [], 0, 0
    for slot in slots.unique():
        rows = (slots == slot).nonzero().flatten().cpu()
        if round(share * pairs_of(len(rows))) > 0:
            found = cluster(rows, share)
            radii.append(found.radius)
        else:
            found = PseudoLabels(np.arange(len(rows)), radius=0.0)
            small += len(rows)
        labels[rows.numpy()] = np.where(found.labels >= 0, found.labels + taken, found.labels)
        taken += found.clusters
    alone = f"{small} pictures are in slots too small for a share of {share:.2g} of their pairs: each stays alone"
    return PseudoLabels(labels, float(np.mean(radii)) if radii else 0.0, alone if small else None)


def pairs_of(size: int) -> int:
    """The number of pairs among `size` pictures."""
    return size * (size - 1) // 2
