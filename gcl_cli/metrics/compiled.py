"""The inner loop of ranking as machine code. Imported only where numba is installed: see kernels.py."""

import numba
import numpy as np

STRETCH = 4096  # columns whose distances stay in the fastest cache while they are compared with every entry of a row


@numba.njit(cache=True)
def count_before(
    distances: np.ndarray, by_stretch: np.ndarray, starts: np.ndarray, stretch: int, firsts: np.ndarray,
    columns: np.ndarray, own: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """As `counting.count_before`; the entries of row r are firsts[r] to firsts[r + 1] - 1.

    by_stretch: [K] all columns of the parts, by stretch of `stretch` columns, then by part, then ascending; starts:
    [S, P + 1] where each part of a stretch begins there, and where the last ends; columns, own: [E] and their parts.
    """
    everywhere, inside = np.zeros(len(columns), dtype=np.int64), np.zeros(len(columns), dtype=np.int64)
    parts = starts.shape[1] - 1
    as_they_lie = parts == 1 and len(by_stretch) == distances.shape[1]
    gathered = np.empty(stretch, dtype=distances.dtype)
    for row in range(len(distances)):
        values = distances[row]
        for number in range(len(starts) if firsts[row] < firsts[row + 1] else 0):
            begin, end = starts[number, 0], starts[number, parts]
            near = values[begin:end] if as_they_lie else _gather(values, by_stretch[begin:end], gathered)
            for entry in range(firsts[row], firsts[row + 1]):
                bound, later = values[columns[entry]], columns[entry] // stretch - number
                if later == 0:
                    for part in range(parts):
                        first, last = starts[number, part], starts[number, part + 1]
                        middle = first + np.searchsorted(by_stretch[first:last], columns[entry])
                        count = _count(near[first - begin : middle - begin], bound, True)
                        count += _count(near[middle - begin : last - begin], bound, False)
                        everywhere[entry] += count
                        inside[entry] += count if part == own[entry] else 0
                    continue
                everywhere[entry] += _count(near, bound, later > 0)
                if parts > 1:
                    first, last = starts[number, own[entry]], starts[number, own[entry] + 1]
                    inside[entry] += _count(near[first - begin : last - begin], bound, later > 0)
    return everywhere, inside if parts > 1 else everywhere


@numba.njit(cache=True)
def _gather(values: np.ndarray, places: np.ndarray, into: np.ndarray) -> np.ndarray:
    """The values at `places` [M] as the first of `into`."""
    for place in range(len(places)):
        into[place] = values[places[place]]
    return into[: len(places)]


@numba.njit(cache=True)
def _count(values: np.ndarray, bound: float, equals: bool) -> np.int64:
    """How many of the values are below `bound`, with its equals or without."""
    count = np.int32(0)  # 32 bits throughout, as the distances: eight at a time
    if equals:
        for place in range(len(values)):
            count = np.int32(count + np.int32(values[place] <= bound))
    else:
        for place in range(len(values)):
            count = np.int32(count + np.int32(values[place] < bound))
    return np.int64(count)
