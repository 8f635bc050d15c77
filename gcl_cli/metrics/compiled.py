"""The inner loop of ranking as machine code. Imported only where numba is installed: see kernels.py."""

import numba
import numpy as np

CHUNK = 4096  # distances that stay in the fastest cache while they are compared with every entry of a row


@numba.njit(cache=True)
def count_before(
    distances: np.ndarray, order: np.ndarray, firsts: np.ndarray, places: np.ndarray, begins: np.ndarray,
    ends: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """As `counting.count_before`; the entries of row r are firsts[r] to firsts[r + 1] - 1."""
    before = np.zeros(len(places), dtype=np.int64)
    as_they_lie = len(order) == distances.shape[1] and (order[1:] > order[:-1]).all()
    columns = order.astype(np.uint32)  # without a sign: nothing is looked up from the end
    gathered = np.empty(0 if as_they_lie else len(order), dtype=distances.dtype)
    for row in range(len(distances)):
        first, end = firsts[row], firsts[row + 1]
        if first == end:
            continue
        values = distances[row]
        if not as_they_lie:
            for place in range(len(order)):
                gathered[place] = values[columns[place]]
            values = gathered
        for start in range(0, len(order), CHUNK):
            for entry in range(first, end):
                begin, stop = max(begins[entry], start), min(ends[entry], start + CHUNK)
                if begin < stop:
                    middle = min(max(places[entry], begin), stop)
                    before[entry] += _before(values[begin:middle], values[middle:stop], values[places[entry]])
    return before


@numba.njit(cache=True)
def _before(earlier: np.ndarray, later: np.ndarray, bound: float) -> np.int64:
    """How many of the values come before `bound`, which of equals is after the earlier and before the later."""
    count = np.int32(0)  # 32 bits throughout, as the distances: eight at a time
    for place in range(len(earlier)):
        count = np.int32(count + np.int32(earlier[place] <= bound))
    for place in range(len(later)):
        count = np.int32(count + np.int32(later[place] < bound))
    return np.int64(count)
