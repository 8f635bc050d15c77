"""CMC, mAP and mINP of person retrieval, by counting instead of sorting.

A true match's rank is one more than the number of gallery pictures before it, so nothing needs an order of the row.
Cameras: a gallery picture of the query's person under the query's own camera is no test and is removed for that
query; -1 is an unknown camera, which differs from every camera, itself included, so it never removes anything.
Persons: gallery pictures of person -1 are junk and are removed for all; a distractor is a person no query shows.
Ties: of two gallery pictures at one distance, the one earlier in the gallery comes first (a stable sort).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.errors import GclError

AveragePrecision = Literal["open-reid", "market"]
COUNTED = 1.0  # times G^(1/4) counts of a row cost what its sort does (measured: 11 of 16 thousand, 30 of a million)
BLOCK_DISTANCES = 1 << 25  # distances of a block: 128 MiB,
BLOCK_QUERIES = 256  # or of so many queries where that is more: products of fewer rows are slow


@dataclass(frozen=True)
class Ranking:
    """How well the gallery was ranked; shares are in [0, 1], means are over the valid queries."""

    mean_average_precision: float
    cmc: np.ndarray  # [max_rank] float64: share of queries whose first true match is at rank <= 1, 2, ...
    mean_inverse_negative_penalty: float
    valid_queries: int
    skipped_queries: int  # without a true match under another camera
    average_precision: np.ndarray  # [Q] float64, NaN where skipped
    inverse_negative_penalty: np.ndarray  # [Q] float64, matches / rank of the last one, NaN where skipped
    first_rank: np.ndarray  # [Q] int64, 1 = best, 0 where skipped
    mean_by_convention: dict[str, float]  # mean average precision by every convention


def rank(
    distances: np.ndarray,
    query_persons: np.ndarray,
    query_cameras: np.ndarray,
    gallery_persons: np.ndarray,
    gallery_cameras: np.ndarray,
    *,
    max_rank: int,
    average_precision: AveragePrecision,
) -> Ranking:
    """Rank the gallery for every query by `distances` [Q, G] (any order-preserving measure, small = alike).

    query_persons, query_cameras: [Q]; gallery_persons, gallery_cameras: [G]; integers.
    GclError if a distance is not a number or no query has a true match.
    """
    return rank_blocks(
        [distances], query_persons, query_cameras, gallery_persons, gallery_cameras,
        max_rank=max_rank, average_precision=average_precision,
    )  # fmt: skip


def rank_features(
    query_features: Tensor,
    gallery_features: Tensor,
    query_persons: np.ndarray,
    query_cameras: np.ndarray,
    gallery_persons: np.ndarray,
    gallery_cameras: np.ndarray,
    *,
    max_rank: int,
    average_precision: AveragePrecision,
) -> Ranking:
    """`rank` by the cosine of `query_features` [Q, D] and `gallery_features` [G, D], in blocks of queries.

    Q x G distances never exist at once.
    """
    query, gallery = F.normalize(query_features, dim=1), F.normalize(gallery_features, dim=1)
    blocks = (cosine_distances(rows, gallery) for rows in query.split(queries_at_once(len(gallery))))
    return rank_blocks(
        blocks, query_persons, query_cameras, gallery_persons, gallery_cameras,
        max_rank=max_rank, average_precision=average_precision,
    )  # fmt: skip


def rank_blocks(
    blocks: Iterable[np.ndarray],
    query_persons: np.ndarray,
    query_cameras: np.ndarray,
    gallery_persons: np.ndarray,
    gallery_cameras: np.ndarray,
    *,
    max_rank: int,
    average_precision: AveragePrecision,
) -> Ranking:
    """`rank` by the rows of a distance matrix [Q, G] that come as `blocks` [R, G] one after another."""
    gallery = _Gallery.of(gallery_persons, gallery_cameras)
    ranks: list[np.ndarray] = []
    for distances in blocks:
        block = slice(len(ranks), len(ranks) + len(distances))
        ranks += _ranks_of_block(distances, query_persons[block], query_cameras[block], gallery)
    return _summary(ranks, max_rank, average_precision)


def queries_at_once(gallery: int) -> int:
    """How many queries a block of distances to `gallery` pictures holds."""
    return max(BLOCK_QUERIES, BLOCK_DISTANCES // max(1, gallery))


def cosine_distances(query: Tensor, gallery: Tensor) -> np.ndarray:
    """Minus the cosines of unit `query` [R, D] and `gallery` [G, D], ordered as Euclidean distances are: [R, G]."""
    return (-query @ gallery.T).to("cpu", torch.float32).numpy()


def match_ranks(row: np.ndarray, matches: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Ranks, ascending from 1, of the columns `matches` in `row` [G] as if the columns `removed` were not there."""
    many = len(matches) > COUNTED * len(row) ** 0.25
    ranks = (_sorted_before if many else _counted_before)(row, matches) + 1
    if len(removed):
        closer = row[removed] < row[matches, None]  # [matches, removed]
        tied_before = (row[removed] == row[matches, None]) & (removed < matches[:, None])
        ranks -= (closer | tied_before).sum(axis=1)
    ranks.sort()
    return ranks


def average_precisions(ranks: np.ndarray, matches: np.ndarray, convention: AveragePrecision) -> np.ndarray:
    """Average precision of lists of true matches, [L] float64.

    ranks: [M] of all matches, ascending within a list, one list after the other; matches: [L] lengths, at least 1.
    """
    starts = np.cumsum(matches) - matches
    found = np.arange(1, len(ranks) + 1) - np.repeat(starts, matches)
    sums: np.ndarray = np.add.reduceat(_TERMS[convention](found, ranks), starts)
    return sums / matches


@dataclass(frozen=True)
class _Gallery:
    """The gallery's labels, its columns grouped by person."""

    cameras: np.ndarray  # [G]
    columns: np.ndarray  # [G] sorted by person, within a person ascending
    persons: np.ndarray  # [G] persons[k] is the person of columns[k]

    @classmethod
    def of(cls, persons: np.ndarray, cameras: np.ndarray) -> "_Gallery":
        columns = np.argsort(persons, kind="stable")
        return cls(cameras, columns, persons[columns])

    def columns_of(self, person: int) -> np.ndarray:
        first, end = np.searchsorted(self.persons, [person, person + 1])
        return self.columns[first:end]


def _ranks_of_block(
    distances: np.ndarray, persons: np.ndarray, cameras: np.ndarray, gallery: _Gallery
) -> Iterator[np.ndarray]:
    """The ranks of each query's true matches, ascending, 1 = first; empty where there are none."""
    if np.isnan(distances.min(initial=np.inf)):  # not a number is smaller than nothing: every match would come first
        raise GclError(
            "The ranking has distances that are not numbers, so the features are not either.",
            "Train the identity encoder again: its weights have diverged.",
        )
    junk = gallery.columns_of(-1)
    for row, person, camera in zip(distances, persons, cameras, strict=True):
        same = gallery.columns_of(person) if person != -1 else junk[:0]
        own_camera = (gallery.cameras[same] == camera) & (camera != -1)
        yield match_ranks(row, same[~own_camera], np.concatenate([same[own_camera], junk]))


def _counted_before(row: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """How many of `row` [G] come before each of the columns `matches`, [matches]."""
    return np.array(
        [
            np.count_nonzero(row[:column] <= distance) + np.count_nonzero(row[column:] < distance)
            for column, distance in zip(matches.tolist(), row[matches], strict=True)
        ],
        dtype=np.int64,
    )


def _sorted_before(row: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """The same by the sorted values of the row; only columns with equals are looked up in the row itself."""
    values = np.sort(row)
    before = values.searchsorted(row[matches])
    for place in np.flatnonzero(values.searchsorted(row[matches], side="right") - before > 1):
        column = matches[place]
        before[place] += np.count_nonzero(row[:column] == row[column])
    return before


def _summary(ranks: list[np.ndarray], max_rank: int, convention: AveragePrecision) -> Ranking:
    matches = np.array([len(found) for found in ranks], dtype=np.int64)  # [Q]
    valid = matches > 0
    if not valid.any():
        raise GclError(
            f"None of {len(ranks):,} queries has a picture of its person under another camera in the gallery.",
            "Check that query and gallery show the same people and that the file names carry the camera.",
        )
    every = np.concatenate(ranks)  # [M]
    ends = np.cumsum(matches)[valid]
    first_rank = np.zeros(len(ranks), dtype=np.int64)
    first_rank[valid] = every[ends - matches[valid]]
    precisions = {name: average_precisions(every, matches[valid], name) for name in _TERMS}
    penalties = matches[valid] / every[ends - 1]
    counts = np.bincount(first_rank[valid], minlength=max_rank + 1)[1 : max_rank + 1]
    return Ranking(
        mean_average_precision=float(precisions[convention].mean()),
        cmc=counts.cumsum() / valid.sum(),
        mean_inverse_negative_penalty=float(penalties.mean()),
        valid_queries=int(valid.sum()),
        skipped_queries=int((~valid).sum()),
        average_precision=_where(valid, precisions[convention]),
        inverse_negative_penalty=_where(valid, penalties),
        first_rank=first_rank,
        mean_by_convention={name: float(found.mean()) for name, found in precisions.items()},
    )


def _where(valid: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`values` in the places that are `valid` [Q], NaN in the others: [Q]."""
    spread = np.full(len(valid), np.nan)
    spread[valid] = values
    return spread


def _open_reid_terms(found: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """AP = mean_i i / r_i (open-reid and the code that followed it; the published code of the paper)."""
    return found / ranks


def _market_terms(found: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """AP = mean_i ((i - 1) / (r_i - 1) + i / r_i) / 2, the first term 1 where r_i = 1 (Market-1501's own code)."""
    before = np.where(ranks == 1, 1.0, (found - 1) / np.maximum(ranks - 1, 1))
    return (before + found / ranks) / 2


_TERMS: dict[AveragePrecision, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "open-reid": _open_reid_terms,
    "market": _market_terms,
}
