"""The nearest rows of a large table, exactly."""

from collections.abc import Sequence

import numpy as np

BLOCK = 1 << 16  # rows compared at a time: tables need not fit in memory


def nearest_rows(
    queries: np.ndarray, gallery: np.ndarray, *, top: int, left_out: Sequence[int | None]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each query the rows of the gallery that are most alike, best first, and their cosines.

    queries: [Q, D], gallery: [N, D], float32, rows of unit length. left_out: for each query a row that is not
    listed, or None. Exact: of equals the one earlier in the gallery comes first. Returns min(top, rows there are).
    """
    best = [(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in queries]
    for start in range(0, len(gallery), BLOCK):
        cosines = queries @ gallery[start : start + BLOCK].T  # [Q, R]
        rows = np.arange(start, start + cosines.shape[1])
        for query, (found, values) in enumerate(best):
            kept = rows != left_out[query]
            best[query] = _top(np.concatenate([found, rows[kept]]), np.concatenate([values, cosines[query, kept]]), top)
    return best


def _top(rows: np.ndarray, values: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    if len(values) > top:
        enough = values >= np.partition(values, -top)[-top]
        rows, values = rows[enough], values[enough]
    order = np.lexsort((rows, -values))[:top]
    return rows[order], values[order]
