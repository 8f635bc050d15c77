"""CMC, mAP and mINP of person retrieval, by counting instead of sorting.

Cameras: a gallery picture of the query's person under the query's own camera is no test and is removed for that
query; -1 is an unknown camera, which differs from every camera, itself included, so it never removes anything.
Persons: gallery pictures of person -1 are junk and are removed for all; a distractor is a person no query shows.
Ties: of two gallery pictures at one distance, the one earlier in the gallery comes first (a stable sort).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gcl_cli.errors import GclError
from gcl_cli.metrics.average_precision import CONVENTIONS, AveragePrecision, average_precisions
from gcl_cli.metrics.camera_pairs import CameraPairs
from gcl_cli.metrics.counting import Parts, People, count_before

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
    pairs: CameraPairs | None = None,
    same_camera: bool = False,
) -> Ranking:
    """`rank` by the rows of a distance matrix [Q, G] that come as `blocks` [R, G] one after another.

    pairs: takes note of what is found in each camera's part of the gallery. same_camera: pictures of the query's own
    camera count, too.
    """
    known = np.flatnonzero(gallery_persons != -1)
    people = People.of(gallery_persons[known])
    parts = Parts.of(known, np.zeros_like(gallery_cameras) if pairs is None else gallery_cameras)
    matches, ranks, done = [], [], 0
    for distances in blocks:
        _require_numbers(distances)
        asked = slice(done, done + len(distances))
        rows, places = people.entries(query_persons[asked])
        columns = known[places]
        before, inside = count_before(distances, parts, rows, columns)
        cameras, searched = query_cameras[asked][rows], gallery_cameras[columns]
        if pairs is not None:
            pairs.note(rows + done, cameras, searched, inside)
        own = (cameras == searched) & (searched != -1) & (not same_camera)
        matches.append(np.bincount(rows[~own], minlength=len(distances)))
        order = np.argsort(rows * len(known) + before)  # all different: as many come before as there are places
        ranks.append(_ranks_without(own[order], before[order], rows))
        done = asked.stop
    return _summary(np.concatenate(matches), np.concatenate(ranks), max_rank, average_precision)


def queries_at_once(gallery: int) -> int:
    """How many queries a block of distances to `gallery` pictures holds."""
    return max(BLOCK_QUERIES, BLOCK_DISTANCES // max(1, gallery))


def cosine_distances(query: Tensor, gallery: Tensor) -> np.ndarray:
    """Minus the cosines of unit `query` [R, D] and `gallery` [G, D], ordered as Euclidean distances are: [R, G]."""
    return (-query @ gallery.T).to("cpu", torch.float32).numpy()


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
            "Check that query and gallery show the same people, of several cameras: --camera-from folder|REGEX says "
            "where cameras stand, and with --same-camera matches of the query's own camera count.",
        )
    ends = np.cumsum(matches)[valid]
    first_rank = np.zeros(len(matches), dtype=np.int64)
    first_rank[valid] = ranks[ends - matches[valid]]
    precisions = {name: average_precisions(ranks, matches[valid], name) for name in CONVENTIONS}
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
