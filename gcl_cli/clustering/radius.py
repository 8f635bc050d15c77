"""The neighbourhood radius of density clustering, from the distances themselves."""

import numpy as np

from gcl_cli.clustering.jaccard import SparseDistance
from gcl_cli.errors import GclError

NEGLIGIBLE = 1e-6  # in single precision, what is 0 by the formula comes out anywhere up to here


def percentile_radius(distance: SparseDistance, *, rho: float, floor: float = NEGLIGIBLE) -> float:
    """Mean of the smallest distances: the share `rho` of all T pairs that are farther than `floor` (GCL, section 4.2).

    Pairs up to `floor` are pictures with the same neighbourhoods: they say nothing about density. Rounds rho * T half
    to even. Absent pairs count as 1. Raises GclError when that rounds to no pair at all.
    """
    # Paper: a density radius of 2e-3. Here: 2e-3 is the share of pairs whose mean distance is the radius (GCL's code).
    # Paper: silent on pictures with the same neighbourhoods; its code drops exact zeros alone (rho_floor = 0), and
    # rounding decides which are exact. Here: pairs up to 1e-6 are dropped, so that order decides nothing.
    present = distance.values[distance.values > floor]
    total = distance.size * (distance.size - 1) // 2 - (len(distance.values) - len(present))
    count = round(rho * total)
    if count == 0:
        raise GclError(
            f"the radius is undefined: a share of {rho:g} of {total} pairs with other neighbourhoods rounds to none",
            f"raise rho above {1 / total:.2g}, or set a fixed radius" if total else "give pictures that differ",
        )
    if count < len(present):
        present.partition(count - 1)
        present = present[:count]
    # sorted, so that the rounding of the sum does not depend on the order of the pictures
    absent = count - min(count, len(present))
    return float((np.sort(present).sum(dtype=np.float64) + absent) / count)
