"""The average precision of ranked lists, by both conventions that published figures follow."""

from collections.abc import Callable
from typing import Literal

import numpy as np

AveragePrecision = Literal["open-reid", "market"]


def average_precisions(ranks: np.ndarray, matches: np.ndarray, convention: AveragePrecision) -> np.ndarray:
    """Average precision of lists of true matches, [L] float64.

    ranks: [M] of all matches, ascending within a list, one list after the other; matches: [L] lengths, at least 1.
    """
    starts = np.cumsum(matches) - matches
    found = np.arange(1, len(ranks) + 1) - np.repeat(starts, matches)
    sums: np.ndarray = np.add.reduceat(CONVENTIONS[convention](found, ranks), starts)
    return sums / matches


def _open_reid_terms(found: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """AP = mean_i i / r_i (open-reid and the code that followed it; the published code of the paper)."""
    return found / ranks


def _market_terms(found: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """AP = mean_i ((i - 1) / (r_i - 1) + i / r_i) / 2, the first term 1 where r_i = 1 (Market-1501's own code)."""
    before = np.where(ranks == 1, 1.0, (found - 1) / np.maximum(ranks - 1, 1))
    return (before + found / ranks) / 2


CONVENTIONS: dict[AveragePrecision, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "open-reid": _open_reid_terms,
    "market": _market_terms,
}
