"""CMC, mAP and mINP of person retrieval, by counting instead of sorting.

Cameras: a gallery picture of the query's person under the query's own camera is no test and is removed for that
query; -1 is an unknown camera, which differs from every camera, itself included, so it never removes anything.
Persons: gallery pictures of person -1 are junk and are removed for all; a distractor is a person no query shows.
Ties: of two gallery pictures at one distance, the one earlier in the gallery comes first (a stable sort).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.errors import GclError
from gcl_cli.metrics.counting import People, by_rank, count_before
from gcl_cli.metrics.kernels import compiled_loops

AveragePrecision = Literal["open-reid", "market"]
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
    known = np.flatnonzero(gallery_persons != -1)
    people, cameras = People.of(gallery_persons[known]), gallery_cameras[known]
    loops = compiled_loops(len(query_persons) * len(gallery_persons))
    matches, ranks, done = [], [], 0
    for distances in blocks:
        _require_numbers(distances)
        asked = slice(done, done + len(distances))
        rows, places = people.entries(query_persons[asked])
        begins, ends = np.zeros_like(places), np.full_like(places, len(known))
        before = count_before(distances, known, rows, places, begins, ends, loops=loops)
        own = (cameras[places] == query_cameras[asked][rows]) & (cameras[places] != -1)
        matches.append(np.bincount(rows[~own], minlength=len(distances)))
        order = by_rank(rows, begins, before, len(known))
        ranks.append(_ranks_without(own[order], before[order], rows))
        done = asked.stop
    return _summary(np.concatenate(matches), np.concatenate(ranks), max_rank, average_precision)


def queries_at_once(gallery: int) -> int:
    """How many queries a block of distances to `gallery` pictures holds."""
    return max(BLOCK_QUERIES, BLOCK_DISTANCES // max(1, gallery))


def cosine_distances(query: Tensor, gallery: Tensor) -> np.ndarray:
    """Minus the cosines of unit `query` [R, D] and `gallery` [G, D], ordered as Euclidean distances are: [R, G]."""
    return (-query @ gallery.T).to("cpu", torch.float32).numpy()


def average_precisions(ranks: np.ndarray, matches: np.ndarray, convention: AveragePrecision) -> np.ndarray:
    """Average precision of lists of true matches, [L] float64.

    ranks: [M] of all matches, ascending within a list, one list after the other; matches: [L] lengths, at least 1.
    """
    starts = np.cumsum(matches) - matches
    found = np.arange(1, len(ranks) + 1) - np.repeat(starts, matches)
    sums: np.ndarray = np.add.reduceat(_TERMS[convention](found, ranks), starts)
    return sums / matches


def _require_numbers(distances: np.ndarray) -> None:
    if np.isnan(distances.min(initial=np.inf)):  # not a number is smaller than nothing: every match would come first
        raise GclError(
            "The ranking has distances that are not numbers, so the features are not either.",
            "Train the identity encoder again: its weights have diverged.",
        )


def _ranks_without(removed: np.ndarray, before: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Ranks of the entries that are not `removed` [E], as if those were not there.

    before: [E] how many gallery pictures come before each, ascending in each of the `rows` [E].
    """
    gone = np.concatenate(([0], np.cumsum(removed)))  # so far, in the rows above too
    ranks: np.ndarray = 1 + before - (gone[:-1] - gone[rows.searchsorted(rows)])
    return ranks[~removed]


def _summary(matches: np.ndarray, ranks: np.ndarray, max_rank: int, convention: AveragePrecision) -> Ranking:
    """The figures of `ranks` [M], ascending for each query, of which the queries have `matches` [Q] each."""
    valid = matches > 0
    if not valid.any():
        raise GclError(
            f"None of {len(matches):,} queries has a picture of its person under another camera in the gallery.",
            "Check that query and gallery show the same people and that the file names carry the camera.",
        )
    ends = np.cumsum(matches)[valid]
    first_rank = np.zeros(len(matches), dtype=np.int64)
    first_rank[valid] = ranks[ends - matches[valid]]
    precisions = {name: average_precisions(ranks, matches[valid], name) for name in _TERMS}
    penalties = matches[valid] / ranks[ends - 1]
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
