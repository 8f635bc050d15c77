"""The figures of an evaluation, and what exactly they are figures of."""

from typing import Any

import numpy as np
import torch

from gcl_cli.config import EvaluateSettings
from gcl_cli.datasets.dataset import camera_numbers, person_numbers
from gcl_cli.metrics.camera_pairs import CameraPairs
from gcl_cli.metrics.intervals import bootstrap_intervals
from gcl_cli.metrics.ranking import Ranking, rank_blocks
from gcl_cli.people.data import WorkData
from gcl_cli.retrieval.distances import Distances
from gcl_cli.retrieval.ranked_lists import Labels
from gcl_cli.retrieval.whole_gallery import in_words

RANKS = (1, 5, 10, 20)
CONVENTIONS = {
    "open-reid": "mean over a query's true matches of i / r_i, r_i the rank of the i-th",
    "market": "mean over a query's true matches of ((i - 1) / (r_i - 1) + i / r_i) / 2, r_i the rank of the i-th",
}


def labels_of(data: WorkData) -> Labels:
    """Persons and cameras of query and gallery; GclError where a person is unknown."""
    query, gallery = data.split("query"), data.split("gallery")
    return Labels(person_numbers(query), camera_numbers(query), person_numbers(gallery), camera_numbers(gallery))


def ranked(
    labels: Labels, distances: Distances, settings: EvaluateSettings, *, at_once: int
) -> tuple[Ranking, list[dict[str, int | float]]]:
    """Rank the gallery `at_once` queries at a time: for all cameras together, and a row for every pair of them."""
    everyone = (labels.query_persons, labels.query_cameras, labels.gallery_persons, labels.gallery_cameras)
    chosen: Any = {"max_rank": max(RANKS), "average_precision": settings.average_precision}
    pairs = CameraPairs() if settings.camera_pairs else None
    ranking = rank_blocks(distances.blocks(at_once), *everyone, pairs=pairs, same_camera=settings.same_camera, **chosen)
    return ranking, pairs.table(settings.average_precision) if pairs else []


def figures(
    data: WorkData, ranking: Ranking, pairs: list[dict[str, int | float]], settings: EvaluateSettings
) -> dict[str, Any]:
    """All figures, shares in percent, and the queries that have no figure by name."""
    skipped = np.flatnonzero(ranking.first_rank == 0)
    found: dict[str, Any] = {
        **headline(ranking),
        "queries": ranking.valid_queries, "skipped_queries": ranking.skipped_queries,
        "skipped_names": [data.split("query")[row].name for row in skipped],
        "mAP_by_convention": {name: 100 * mean for name, mean in ranking.mean_by_convention.items()},
    }  # fmt: skip
    if settings.bootstrap:
        found["intervals"] = intervals(ranking, settings)
    found["protocol"] = protocol(settings)
    return {**found, "camera_pairs": pairs} if settings.camera_pairs else found


def headline(ranking: Ranking) -> dict[str, float]:
    """The figures that are always told, in percent."""
    return {
        "mAP": 100 * ranking.mean_average_precision,
        **{f"rank_{k}": 100 * float(ranking.cmc[k - 1]) for k in RANKS},
        "mINP": 100 * ranking.mean_inverse_negative_penalty,
    }


def intervals(ranking: Ranking, settings: EvaluateSettings) -> dict[str, list[float]]:
    """The 95 % interval of mAP, CMC and mINP over the valid queries: low and high, in percent."""
    valid = ranking.first_rank > 0
    first = ranking.first_rank[valid]
    columns = {
        "mAP": ranking.average_precision[valid],
        **{f"rank_{k}": first <= k for k in RANKS},
        "mINP": ranking.inverse_negative_penalty[valid],
    }
    values = torch.from_numpy(100.0 * np.stack(list(columns.values()), axis=1))  # [Q, 6]
    rng = torch.Generator().manual_seed(settings.seed)
    found = bootstrap_intervals(values, resamples=settings.bootstrap, rng=rng)
    return dict(zip(columns, found.tolist(), strict=True))


def protocol(settings: EvaluateSettings) -> str:
    """The rules in words."""
    own = "" if settings.same_camera else "gallery pictures of its person under its own camera, and "
    said = [
        f"single query; left out for a query: {own}junk (person -1)",
        "a query without a true match left is skipped, counted and named",
        f"distance: {_distance(settings)}",
        "of two gallery pictures at one distance the earlier by name comes first",
        f"average precision: {settings.average_precision} ({CONVENTIONS[settings.average_precision]})",
    ]
    if settings.camera_pairs:
        said.append("camera pairs: the gallery is that camera's pictures alone")
    if settings.bootstrap:
        said.append(
            f"intervals: 95 %, percentile bootstrap over the queries, {settings.bootstrap} resamples, seed "
            f"{settings.seed}; what other training runs would give is not in them"
        )
    return "; ".join(said)


def _distance(settings: EvaluateSettings) -> str:
    """What is compared, and how."""
    features = "unit embeddings"
    if settings.views:
        how = "a weight chosen without labels" if settings.view_weight is None else f"weight {settings.view_weight:g}"
        features += f" mixed with those of each picture's views at {_listed(settings.angles)} degrees ({how})"
    features += in_words(settings)
    if settings.expansion:
        features += (
            f", each query with its {settings.expansion} nearest gallery pictures times cosine^"
            f"{settings.expansion_alpha:g} (no labels used)"
        )
    if settings.rerank:
        return (
            f"k-reciprocal re-ranking of {features} (k1 {settings.rerank_k1}, k2 {settings.rerank_k2}, lambda "
            f"{settings.rerank_lambda:g}), queries and gallery together"
        )
    kind = "JVTC+ joint distance of looks and frame numbers" if settings.temporal else "Euclidean distance"
    return f"{kind} of {features}"


def _listed(angles: tuple[int, ...]) -> str:
    return ", ".join(map(str, angles))
