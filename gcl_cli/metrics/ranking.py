"""CMC, mAP and mINP of person retrieval, by counting instead of sorting.

A true match's rank is one more than the number of gallery pictures before it, so nothing needs a sorted row.
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
_BLOCK_DISTANCES = 1 << 24  # distances held at once by rank_features: 64 MiB


@dataclass(frozen=True)
class Ranking:
    """How well the gallery was ranked; shares are in [0, 1], means are over the valid queries."""

    mean_average_precision: float
    cmc: np.ndarray  # [max_rank] float64: share of queries whose first true match is at rank <= 1, 2, ...
    mean_inverse_negative_penalty: float
    valid_queries: int
    skipped_queries: int  # without a true match under another camera
    average_precision: np.ndarray  # [Q] float64, NaN where skipped
    first_rank: np.ndarray  # [Q] int64, 1 = best, 0 where skipped


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
    gallery = _Gallery.of(gallery_persons, gallery_cameras)
    ranks = _ranks_of_block(distances, query_persons, query_cameras, gallery)
    return _summary(list(ranks), max_rank, _AVERAGE_PRECISION[average_precision])


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

    The order is that of the Euclidean distance between rows of unit length. Q x G distances never exist at once.
    """
    gallery_features = F.normalize(gallery_features, dim=1)
    rows = max(1, _BLOCK_DISTANCES // max(1, len(gallery_features)))

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, len(query_features), rows):
            cosines = F.normalize(query_features[start : start + rows], dim=1) @ gallery_features.T  # [rows, G]
            yield cosines.neg_().to("cpu", torch.float32).numpy()

    return rank_blocks(
        blocks(), query_persons, query_cameras, gallery_persons, gallery_cameras,
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
    return _summary(ranks, max_rank, _AVERAGE_PRECISION[average_precision])


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
        yield _match_ranks(row, same[~own_camera], np.concatenate([same[own_camera], junk]))


def _match_ranks(row: np.ndarray, matches: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Ranks of the columns `matches` in `row` [G] as if the columns `removed` were not there."""
    before = np.array(
        [
            np.count_nonzero(row[:column] <= distance) + np.count_nonzero(row[column:] < distance)
            for column, distance in zip(matches.tolist(), row[matches], strict=True)
        ],
        dtype=np.int64,
    )
    closer = row[removed] < row[matches, None]  # [matches, removed]
    tied_before = (row[removed] == row[matches, None]) & (removed < matches[:, None])
    return np.sort(before - (closer | tied_before).sum(axis=1) + 1)


def _summary(ranks: list[np.ndarray], max_rank: int, average_precision: Callable[[np.ndarray], float]) -> Ranking:
    valid = [match_ranks for match_ranks in ranks if len(match_ranks)]
    if not valid:
        raise GclError(
            f"None of {len(ranks):,} queries has a picture of its person under another camera in the gallery.",
            "Check that query and gallery show the same people and that the file names carry the camera.",
        )
    first_rank = np.array([match_ranks[0] if len(match_ranks) else 0 for match_ranks in ranks], dtype=np.int64)
    precisions = np.array([average_precision(match_ranks) if len(match_ranks) else np.nan for match_ranks in ranks])
    counts = np.bincount(first_rank[first_rank > 0], minlength=max_rank + 1)[1 : max_rank + 1]
    return Ranking(
        mean_average_precision=float(np.nanmean(precisions)),
        cmc=counts.cumsum() / len(valid),
        mean_inverse_negative_penalty=float(np.mean([len(found) / found[-1] for found in valid])),
        valid_queries=len(valid),
        skipped_queries=len(ranks) - len(valid),
        average_precision=precisions,
        first_rank=first_rank,
    )


def _open_reid_precision(ranks: np.ndarray) -> float:
    """AP = mean_i i / r_i (open-reid and the code that followed it; the published code of the paper)."""
    return float((np.arange(1, len(ranks) + 1) / ranks).mean())


def _market_precision(ranks: np.ndarray) -> float:
    """AP = mean_i ((i - 1) / (r_i - 1) + i / r_i) / 2, the first term 1 where r_i = 1 (Market-1501's own code)."""
    found = np.arange(1, len(ranks) + 1)
    before = np.where(ranks == 1, 1.0, (found - 1) / np.maximum(ranks - 1, 1))
    return float(((before + found / ranks) / 2).mean())


_AVERAGE_PRECISION: dict[str, Callable[[np.ndarray], float]] = {
    "open-reid": _open_reid_precision,
    "market": _market_precision,
}
