"""How far each gallery picture is from each query: by looks, re-ranked, or by looks and time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gcl_cli import console
from gcl_cli.clustering.blocks import feature_distance
from gcl_cli.clustering.percentile import cluster_slots, percentile_dbscan
from gcl_cli.clustering.reranking import reranked_distances
from gcl_cli.clustering.temporal import joint_distance_blocks, time_distribution
from gcl_cli.config import EvaluateSettings
from gcl_cli.metrics.ranking import cosine_distances
from gcl_cli.people.data import Times


@dataclass(frozen=True)
class Distances:
    """Distances of `queries` queries to the gallery; `of` rows [R] of the queries gives [R, G]."""

    queries: int
    of: Callable[[Tensor], np.ndarray]

    def blocks(self, at_once: int) -> Iterator[np.ndarray]:
        """All queries in order, `at_once` of them at a time."""
        for rows in torch.arange(self.queries).split(at_once):
            yield self.of(rows)


def distances_by_looks(query: Tensor, gallery: Tensor) -> Distances:
    """Ordered as the Euclidean distances between unit features [Q, D] and [G, D]."""
    return Distances(len(query), lambda rows: cosine_distances(query[rows], gallery))


def distances_reranked(query: Tensor, gallery: Tensor, settings: EvaluateSettings) -> Distances:
    """k-reciprocal re-ranking of unit features [Q, D] and [G, D]."""
    of = reranked_distances(
        query, gallery, k1=settings.rerank_k1, k2=settings.rerank_k2, original_weight=settings.rerank_lambda
    )
    return Distances(len(query), of)


def distances_with_times(query: Tensor, gallery: Tensor, training: Tensor, seen: Times, *, rho: float) -> Distances:
    """JVTC+: the joint distance, with times between cameras as the clusters of the training pictures say."""
    # Paper: training features are means over camera-styled pictures. Here: those of the pictures themselves.
    found = cluster_slots(
        seen.train.slots,
        lambda rows, rho: percentile_dbscan(feature_distance(training[rows]), rho=rho, factor=1.0, min_samples=1),
        size=len(training), rho=rho,
    )  # fmt: skip
    if found.fallback:
        console.warn(found.fallback)
    distribution = time_distribution(found.labels, seen.train)

    def of(rows: Tensor) -> np.ndarray:
        return np.concatenate(
            list(joint_distance_blocks(query[rows], gallery, seen.query[rows], seen.gallery, distribution))
        )

    return Distances(len(query), of)
