"""The widest radius of DBSCAN at which clusters do not yet run into each other."""

import numpy as np

from gcl_cli.clustering.density import dbscan
from gcl_cli.clustering.jaccard import SparseDistance

RADII = tuple(round(0.2 + 0.025 * step, 3) for step in range(25))  # .2 to .8
FEWEST = 0.5  # share of the most clusters that must be left


def balanced_radius(distance: SparseDistance, *, min_samples: int, factor: float) -> float | None:
    """From the radius that gives the most clusters on, the widest before one cluster takes in the others.

    A radius that is too wide shows itself: clusters that touch become one, which then grows by itself (percolation). So
    the radius widens in steps of .025, up to .8, as long as the largest cluster holds at most `factor` times the
    pictures of the mean cluster, and half of the most clusters are left. None where no radius gives two clusters.
    """
    # Paper: the radius is the mean distance of a share of all pairs, which depends on how many pictures a person has.
    # Here: the presets that start from chance look at what the radius does to the clusters (docs/photographs.md).
    sizes = [_sizes(dbscan(distance, radius=radius, min_samples=min_samples)) for radius in RADII]
    most = max(map(len, sizes))
    chosen = None
    for radius, found in list(zip(RADII, sizes, strict=True))[[len(found) for found in sizes].index(most) :]:
        balanced = len(found) >= FEWEST * most and found.max(initial=0) <= factor * found.sum() / max(len(found), 1)
        if chosen is not None and not balanced:
            break
        chosen = radius
    return chosen if most > 1 else None


def _sizes(labels: np.ndarray) -> np.ndarray:
    """Pictures of each cluster."""
    return np.bincount(labels[labels >= 0])
