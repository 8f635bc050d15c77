"""How many gallery pictures come before one, which is its rank less one, for the pictures that are asked about only.

Of two pictures at one distance the one earlier in the gallery comes first.
"""

from dataclasses import dataclass
from types import ModuleType

import numpy as np

COMPARED = 100  # entries of a row that machine code compares with all others sooner than the row is sorted, timed alone
SORTED_AT_ONCE = 1 << 20  # distances


@dataclass(frozen=True)
class People:
    """Where in a list the pictures of each person are."""

    persons: np.ndarray  # [K] ascending
    places: np.ndarray  # [K] of persons[k]; within a person ascending

    @classmethod
    def of(cls, persons: np.ndarray) -> "People":
        """The people of a list of pictures, persons: [K]."""
        places = np.argsort(persons, kind="stable")
        return cls(persons[places], places)

    def entries(self, persons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pictures of each of the `persons` [R], one person after the other: rows r [E], and places [E]."""
        first = self.persons.searchsorted(persons)
        counts = self.persons.searchsorted(persons, side="right") - first
        rows = np.repeat(np.arange(len(persons)), counts)
        skipped = first - (np.cumsum(counts) - counts)
        return rows, self.places[np.arange(len(rows)) + skipped[rows]]


def by_rank(rows: np.ndarray, begins: np.ndarray, before: np.ndarray, length: int) -> np.ndarray:
    """The order [E] of entries in parts of `length` pictures: by row, by part, and by what `count_before` found."""
    return np.argsort(rows * length + begins + before)  # all different: as many come before as there are places


def count_before(
    distances: np.ndarray, order: np.ndarray, rows: np.ndarray, places: np.ndarray, begins: np.ndarray,
    ends: np.ndarray, *, loops: ModuleType | None,
) -> np.ndarray:  # fmt: skip
    """How many pictures of its part of the gallery come before each entry, [E] int64.

    distances: [R, G] floating point, numbers; order: [K] columns, part after part, ascending within each; rows: [E]
    ascending; places: [E] in `order`; begins, ends: [E] of the part where that place is; loops: `metrics.compiled`, if
    it may be used.
    """
    if loops is not None and len(places) <= COMPARED * len(distances):
        firsts = rows.searchsorted(np.arange(len(distances) + 1))
        found: np.ndarray = loops.count_before(distances, order, firsts, places, begins, ends)
        return found
    before = np.zeros(len(places), dtype=np.int64)
    step = max(1, SORTED_AT_ONCE // max(1, len(order)))
    for start in range(0, len(distances), step):
        some = slice(*rows.searchsorted([start, start + step]))
        asked = rows[some] - start, places[some], begins[some], ends[some]
        before[some] = _count_by_sorting(distances[start : start + step], order, *asked)
    return before


def _count_by_sorting(
    distances: np.ndarray, order: np.ndarray, rows: np.ndarray, places: np.ndarray, begins: np.ndarray,
    ends: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """The same by sorting the parts; only entries with equals are looked up among the distances themselves."""
    values, bounds = distances.take(order, axis=1), distances[rows, order[places]]
    first, entry = np.unique(begins, return_index=True)
    for begin, end in zip(first, ends[entry], strict=True):
        values[:, begin:end].sort(axis=1)
    low, high = begins, ends - 1  # the first that is no nearer is among these: the entry itself is there
    while (low < high).any():
        middle = (low + high) // 2
        nearer = values[rows, middle] < bounds
        low, high = np.where(nearer, middle + 1, low), np.where(nearer, high, middle)
    before = low - begins
    for tied in np.flatnonzero(values[rows, np.minimum(low + 1, ends - 1)] == bounds):
        earlier = distances[rows[tied], order[begins[tied] : places[tied]]]
        before[tied] += np.count_nonzero(earlier == bounds[tied])
    return before
