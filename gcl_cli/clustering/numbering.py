"""Numbers of people that stay when clusters are found anew."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from gcl_cli.clustering.density import NOISE, components


def carried_numbers(labels: np.ndarray, before: np.ndarray, *, unused: int) -> np.ndarray:
    """The number of each of the clusters 0 .. K - 1, [K] int64: that of an earlier one where they share pictures.

    labels: [N] new clusters, -1 = noise; before: [N] the numbers that the same pictures had, -1 = none; unused: the
    first number that nobody ever had. Old numbers go to new clusters so that as many pictures as possible keep theirs
    (linear assignment on the shared pictures); the other clusters get unused numbers, in their order.
    """
    size = int(labels.max(initial=NOISE)) + 1
    numbers = np.full(size, NOISE, dtype=np.int64)
    known = (labels != NOISE) & (before != NOISE)
    old, column = np.unique(before[known], return_inverse=True)
    pairs, shared = np.unique(np.stack((labels[known], column)), axis=1, return_counts=True)
    group = components(pairs[0], size + pairs[1], size + len(old))  # clusters that share pictures, at any remove
    for one in np.unique(group[pairs[0]]):
        mine = group[pairs[0]] == one
        rows, at_row = np.unique(pairs[0, mine], return_inverse=True)
        columns, at_column = np.unique(pairs[1, mine], return_inverse=True)
        overlap = np.zeros((len(rows), len(columns)))
        overlap[at_row, at_column] = shared[mine]
        to, of = linear_sum_assignment(overlap, maximize=True)
        real = overlap[to, of] > 0
        numbers[rows[to[real]]] = old[columns[of[real]]]
    new = numbers == NOISE
    numbers[new] = unused + np.arange(new.sum())
    return numbers
