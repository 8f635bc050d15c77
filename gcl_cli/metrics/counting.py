"""How many gallery pictures come before one, which is its rank less one, for the pictures that are asked about only.

Of two pictures at one distance the one earlier in the gallery comes first.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

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


@dataclass(frozen=True)
class Parts:
    """Pictures of a gallery in parts, such as those of each camera."""

    order: np.ndarray  # [K] columns, part after part, ascending within each
    bounds: np.ndarray  # [P + 1] where the parts begin in `order`, and where the last ends
    numbers: np.ndarray  # [G] the part of each column

    @classmethod
    def of(cls, columns: np.ndarray, parts: np.ndarray) -> "Parts":
        """A part for each value among `parts` [G], of those `columns` [K] alone, which ascend."""
        values, numbers = np.unique(parts, return_inverse=True)
        order = columns[np.argsort(numbers[columns], kind="stable")]
        return cls(order, numbers[order].searchsorted(np.arange(len(values) + 1)), numbers)


def count_before(
    distances: np.ndarray, parts: Parts, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many pictures of all parts, and how many of its own part, come before each entry: [E] int64 each.

    distances: [R, G] floating point, numbers; rows: [E] ascending; columns: [E] that are in `parts`.
    """
    firsts = rows.searchsorted(np.arange(len(distances) + 1))
    before = np.zeros((2, len(columns)), dtype=np.int64)
    step = max(1, SORTED_AT_ONCE // max(1, len(parts.order)))
    for start in range(0, len(distances), step):
        asked = firsts[start : start + step + 1]
        some = slice(asked[0], asked[-1])
        before[:, some] = _count_by_sorting(distances[start : start + step], parts, asked - asked[0], columns[some])
    return before[0], before[1]


def _count_by_sorting(
    distances: np.ndarray, parts: Parts, firsts: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same of rows sorted at once, part by part; the entries of row r are firsts[r] to firsts[r + 1] - 1."""
    rows, own = np.repeat(np.arange(len(distances)), np.diff(firsts)), parts.numbers[columns]
    bounds, turn = distances[rows, columns], np.arange(len(rows)) - firsts[rows]
    asked = np.zeros((len(distances), turn.max(initial=-1) + 1), dtype=distances.dtype)
    asked[rows, turn] = bounds
    everywhere, inside = np.zeros_like(rows), np.zeros_like(rows)
    for part, (begin, end) in enumerate(pairwise(parts.bounds)):
        order = parts.order[begin:end]
        values = distances.take(order, axis=1)
        values.sort(axis=1)
        nearer = torch.searchsorted(torch.from_numpy(values), torch.from_numpy(asked)).numpy()[rows, turn]
        place = nearer + (own == part)  # past the entry itself
        tied = np.flatnonzero(place < len(order))
        tied = tied[values[rows[tied], place[tied]] == bounds[tied]]
        for entry in tied:  # rare: these alone are looked up among the distances
            earlier = order[: order.searchsorted(columns[entry])]
            nearer[entry] += np.count_nonzero(distances[rows[entry], earlier] == bounds[entry])
        everywhere += nearer
        inside[own == part] = nearer[own == part]
    return everywhere, inside
