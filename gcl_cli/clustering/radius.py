"""The neighbourhood radius of density clustering, from the distances themselves."""

import numpy as np

from gcl_cli.clustering.jaccard import SparseDistance
from gcl_cli.errors import GclError

IDENTICAL = 1e-6  # pairs at this distance or nearer are the same picture twice: they say nothing about density


def percentile_radius(distance: SparseDistance, *, rho: float) -> float:
    """Mean of the smallest distances: the share `rho` of all T pairs of different pictures (GCL, section 4.2).

    Rounds rho * T half to even. Absent pairs count as 1. Raises GclError when that rounds to no pair at all.
    """
    # Paper: a density radius of 2e-3. Here: 2e-3 is the share of pairs whose mean distance is the radius (GCL's code).
    # Paper: silent on equal pictures; its code drops exact zeros. Here: up to 1e-6 is dropped, as rounding moves zeros.
    present = distance.values[distance.values > IDENTICAL]
    total = distance.size * (distance.size - 1) // 2 - (len(distance.values) - len(present))
    count = round(rho * total)
    if count == 0:
        raise GclError(
            f"the radius is undefined: a share of {rho:g} of {total} pairs of different pictures rounds to none",
            f"raise rho above {1 / total:.2g}, or set a fixed radius" if total else "give pictures that differ",
        )
    if count < len(present):
        present.partition(count - 1)
        present = present[:count]
    # sorted, so that the rounding of the sum does not depend on the order of the pictures
    absent = count - min(count, len(present))
    return float((np.sort(present).sum(dtype=np.float64) + absent) / count)
