"""From features to pseudo labels, with a way out when a clustering is of no use."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gcl_cli.clustering.agreement import share_across_cameras
from gcl_cli.clustering.approximate import approximate_neighbours
from gcl_cli.clustering.cameras import centre_per_camera
from gcl_cli.clustering.centralise import centralise
from gcl_cli.clustering.density import components, core_distances, dbscan, hdbscan, number_by_first_member
from gcl_cli.clustering.jaccard import SparseDistance, distance_of_overlaps, expanded_weights
from gcl_cli.clustering.neighbours import nearest_neighbours
from gcl_cli.clustering.radius import NEGLIGIBLE, percentile_radius
from gcl_cli.clustering.ram import expected_pairs
from gcl_cli.config import ClusterSettings, EpochClusterSettings
from gcl_cli.errors import GclError
from gcl_cli.records import PseudoLabels

FEWEST_PICTURES = 4  # two clusters of two


def cluster_features(
    features: Tensor, cameras: Tensor | None, *, settings: EpochClusterSettings, nearest: np.ndarray | None = None
) -> PseudoLabels:
    """Pseudo labels of N pictures: k-reciprocal Jaccard distance, then DBSCAN or HDBSCAN (section 3.2, appendix A).

    features: [N, D], rows of unit length; cameras: [N] camera numbers, None: unknown; nearest: [N, k1] their lists of
    `asked_neighbours` where these are known. Always returns at least two clusters: where the asked-for clustering finds
    fewer, another takes its place and `fallback` says why. Raises GclError for features that are not finite or are all
    the same, for fewer than 4 pictures, and where no two groups can be told apart.
    """
    features = comparable_features(features, cameras, camera_aware=settings.camera_aware)
    distance = asked_distance(features, settings=settings, nearest=nearest)
    found = cluster_distance(distance, features, settings=settings)
    if cameras is None or share_across_cameras(found.labels, cameras.cpu().numpy()) >= settings.centralise_below:
        return found
    # Paper: features are clustered as they are. Here: where clusters follow cameras, neighbours of other cameras are
    # added first (`centralise_below`, which the small presets set), as Neighbor Feature Centralization does in tests.
    leaning = centralise(features.cpu(), cameras.cpu()).features.to(features.device)
    return cluster_distance(asked_distance(leaning, settings=settings), leaning, settings=settings)


def asked_neighbours(features: Tensor, *, settings: ClusterSettings) -> np.ndarray:
    """The lists [N, k1] of comparable features [N, D], by the search that is asked for."""
    search = approximate_neighbours if settings.neighbours == "faiss" else nearest_neighbours
    return search(features, k=min(settings.k1, len(features)))


def asked_distance(
    features: Tensor, *, settings: ClusterSettings, nearest: np.ndarray | None = None,
    expect: Callable[[int], None] | None = None,
) -> SparseDistance:  # fmt: skip
    """The k-reciprocal Jaccard distance of comparable features [N, D].

    nearest: [N, k1] their `asked_neighbours` where these are known; expect: is told about how many pairs the distance
    will hold, before it holds them.
    """
    nearest = asked_neighbours(features, settings=settings) if nearest is None else nearest
    weights = expanded_weights(features, nearest, k2=settings.k2)
    if expect is not None:
        expect(expected_pairs(weights))
    return distance_of_overlaps(weights)


def comparable_features(features: Tensor, cameras: Tensor | None, *, camera_aware: bool) -> Tensor:
    """The features [N, D] as they are compared: checked, in float32, and without the camera where that is asked for.

    Raises GclError as `cluster_features` does.
    """
    features = checked_features(features)
    return centre_per_camera(features, cameras) if camera_aware and cameras is not None else features


def cluster_distance(distance: SparseDistance, features: Tensor, *, settings: ClusterSettings) -> PseudoLabels:
    """Pseudo labels from a distance between N pictures; `features` [N, D] help out where it gives no two clusters."""
    labels, radius, problem = _as_asked(distance, settings)
    if problem is None:
        return PseudoLabels(labels=labels, radius=radius)
    labels, radius, remedy = _rescued(features, distance, settings.min_samples)
    return PseudoLabels(labels=labels, radius=radius, fallback=f"{problem}: {remedy}")


def checked_features(features: Tensor) -> Tensor:
    """The features as [N, D] float32 without history, or a GclError."""
    if len(features) < FEWEST_PICTURES:
        raise GclError(
            f"{len(features)} pictures are too few to cluster: at least {FEWEST_PICTURES} are needed",
            "give a folder with more training pictures",
        )
    broken = int((~torch.isfinite(features).all(dim=1)).sum())
    if broken:
        raise GclError(
            f"{broken} of {len(features)} features to cluster are NaN or infinite: the training has diverged",
            "lower the learning rate and run the stage again with --restart",
        )
    features = features.detach().float()
    if bool((features - features[0]).abs().amax() < NEGLIGIBLE):
        raise GclError(
            f"the features of all {len(features)} pictures are the same: the encoder tells none apart",
            "check that the pictures differ; start from another encoder: run `gcl warmup` again, or use --init FILE",
        )
    return features


def _as_asked(distance: SparseDistance, settings: ClusterSettings) -> tuple[np.ndarray, float, str | None]:
    """Labels [N] and radius of the asked-for clustering, and what is wrong with it (None: nothing)."""
    radius = math.nan
    if settings.clustering == "hdbscan":
        labels = hdbscan(distance, min_cluster_size=settings.min_cluster_size, min_samples=settings.min_samples)
        how = "HDBSCAN"
    else:
        try:
            radius = settings.radius or percentile_radius(distance, rho=settings.rho, floor=settings.rho_floor)
        except GclError as error:
            return np.full(distance.size, -1), radius, error.problem
        labels = dbscan(distance, radius=radius, min_samples=settings.min_samples)
        how = f"DBSCAN with radius {radius:.4g}"
    clusters = _clusters(labels)
    found = "found nothing but noise" if clusters == 0 else "put all pictures that are not noise into one cluster"
    return labels, radius, None if clusters > 1 else f"{how} {found}"


def _rescued(features: Tensor, distance: SparseDistance, min_samples: int) -> tuple[np.ndarray, float, str]:
    """Labels [N] with at least two clusters, their radius (NaN: none was used), and how they came about."""
    # Paper: does not say what to do with no or one cluster. Here: the radius that gives the most, or nearest pairs.
    labels, radius = _radius_of_most_clusters(distance, min_samples)
    if _clusters(labels) > 1:
        return labels, radius, f"replaced by DBSCAN with radius {radius:.4g}, which gives the most clusters"
    nearest = nearest_neighbours(features, k=2)[:, 1]
    labels = number_by_first_member(components(np.arange(len(nearest)), nearest, len(nearest)))
    if _clusters(labels) > 1:
        return labels, math.nan, "no radius gives two clusters either, so each picture was joined with its nearest one"
    raise GclError(
        f"the features of all {len(nearest)} pictures form a single group: no two clusters can be told apart",
        "give more pictures, or start from a better encoder: run `gcl warmup` for longer, or use --init FILE",
    )


def _radius_of_most_clusters(distance: SparseDistance, min_samples: int) -> tuple[np.ndarray, float]:
    """DBSCAN at the radii that make 10, 20, ... 90 % of the pictures core; the largest of those with most clusters."""
    reach = core_distances(distance, min_samples=min_samples)
    reach = reach[reach < 1]
    if len(reach) == 0:
        return np.full(distance.size, -1), math.nan
    radii = np.unique(np.quantile(reach, np.linspace(0.1, 0.9, 9), method="higher"))[::-1].tolist()
    tried = [(dbscan(distance, radius=radius, min_samples=min_samples), radius) for radius in radii]
    return max(tried, key=lambda result: _clusters(result[0]))  # the first of equals


def _clusters(labels: np.ndarray) -> int:
    return int(labels.max(initial=-1)) + 1
