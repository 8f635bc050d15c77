"""The two inner loops of the clustering as machine code. Imported only where numba is installed: see kernels.py."""

import numba
import numpy as np

STRETCH = 64  # sums that are looked through together


@numba.njit(cache=True)
def keep_highest(similarity: np.ndarray, first: int, values: np.ndarray, columns: np.ndarray) -> None:
    """Let the columns of `similarity` [R, C], counted from `first`, into the lists of the R rows, in place.

    values, columns: [R, k] the highest similarities so far, highest first, and where they are. Of equals the one that
    came first stays.
    """
    for row in range(similarity.shape[0]):
        for column in range(similarity.shape[1]):
            if similarity[row, column] > values[row, -1]:
                _insert(similarity[row, column], first + column, values[row], columns[row])


@numba.njit(cache=True)
def keep_highest_below(similarity: np.ndarray, first: int, values: np.ndarray, columns: np.ndarray) -> None:
    """The same for the transpose of `similarity` [C, R], read in the order in which it lies in memory."""
    for column in range(similarity.shape[0]):
        for row in range(similarity.shape[1]):
            if similarity[column, row] > values[row, -1]:
                _insert(similarity[column, row], first + column, values[row], columns[row])


@numba.njit(cache=True)
def _insert(value: float, column: int, values: np.ndarray, columns: np.ndarray) -> None:
    place = len(values) - 1
    while place > 0 and values[place - 1] < value:
        values[place], columns[place] = values[place - 1], columns[place - 1]
        place -= 1
    values[place], columns[place] = value, column


@numba.njit(cache=True)
def sums_of_minima(
    start: int, stop: int, indptr: np.ndarray, indices: np.ndarray, weights: np.ndarray, below: np.ndarray,
    column_indptr: np.ndarray, column_rows: np.ndarray, column_weights: np.ndarray, sums: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Sums over g of min(V_ig, V_jg) for the rows i in start .. stop - 1 and every later row j where it is not 0.

    indptr, indices, weights: V in compressed rows; below: [nnz] where the entries under each entry begin in V in
    compressed columns (column_indptr, column_rows, column_weights); sums: [N] float64 zeros, and left so. Returns the
    number of partners of each row [B], the partners in ascending order [P], and the sums [P].
    """
    counts = np.zeros(stop - start, dtype=np.int64)
    partners, found = np.empty(1024, dtype=np.int32), np.empty(1024, dtype=np.float64)
    touched = np.zeros(len(sums) // STRETCH + 1, dtype=np.bool_)  # stretches of `sums` that are not all 0
    filled = 0
    for i in range(start, stop):
        for entry in range(indptr[i], indptr[i + 1]):
            for other in range(below[entry], column_indptr[indices[entry] + 1]):
                sums[column_rows[other]] += min(weights[entry], column_weights[other])
                touched[column_rows[other] // STRETCH] = True
        before = filled
        for stretch in range(i // STRETCH, len(touched)):
            if not touched[stretch]:
                continue
            touched[stretch] = False
            if filled + STRETCH > len(partners):
                partners, found = _twice_as_long(partners), _twice_as_long(found)
            for j in range(stretch * STRETCH, min((stretch + 1) * STRETCH, len(sums))):
                if sums[j] > 0:
                    partners[filled], found[filled] = j, sums[j]
                    sums[j] = 0
                    filled += 1
        counts[i - start] = filled - before
    return counts, partners[:filled], found[:filled]


@numba.njit(cache=True)
def _twice_as_long(array: np.ndarray) -> np.ndarray:
    longer = np.empty(2 * len(array), dtype=array.dtype)
    longer[: len(array)] = array
    return longer
