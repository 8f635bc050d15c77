import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from clustering_written_out import clustered_features

from gcl_cli.clustering.agreement import adjusted_rand_index, share_across_cameras
from gcl_cli.clustering.centralise import centralise
from gcl_cli.clustering.density import dbscan, hdbscan
from gcl_cli.clustering.jaccard import jaccard_distance
from gcl_cli.clustering.pseudo_labels import cluster_features
from gcl_cli.clustering.radius import percentile_radius
from gcl_cli.errors import GclError


@dataclass(frozen=True)
class Asked:
    clustering: str = "dbscan"
    k1: int = 12
    k2: int = 4
    radius: float | None = None
    rho: float = 0.1
    rho_floor: float = 1e-6
    min_samples: int = 4
    min_cluster_size: int = 4
    camera_aware: bool = False
    neighbours: str = "exact"
    centralise_below: float = 0.0


FEATURES = clustered_features(120, people=8, seed=0, spread=0.5).float()


def test_dbscan_by_percentile_is_the_distance_the_radius_and_dbscan_in_turn():
    found = cluster_features(FEATURES, None, settings=Asked())
    distance = jaccard_distance(FEATURES, k1=12, k2=4)
    radius = percentile_radius(distance, rho=0.1)
    assert found.radius == radius
    assert np.array_equal(found.labels, dbscan(distance, radius=radius, min_samples=4))
    assert found.labels.dtype == np.int64
    assert found.clusters == 8
    assert found.fallback is None


def test_a_fixed_radius_is_used_as_it_is():
    found = cluster_features(FEATURES, None, settings=Asked(radius=0.4))
    expected = dbscan(jaccard_distance(FEATURES, k1=12, k2=4), radius=0.4, min_samples=4)
    assert found.radius == 0.4
    assert np.array_equal(found.labels, expected)
    assert found.fallback is None


def test_where_clusters_follow_cameras_neighbours_of_other_cameras_are_added_first():
    cameras = torch.arange(120) % 3
    own = torch.eye(FEATURES.shape[1])[cameras]  # a camera's cast, stronger than what people look like
    seen = F.normalize(FEATURES + 3 * own, dim=1)
    plain = cluster_features(seen, cameras, settings=Asked(radius=0.4))
    assert share_across_cameras(plain.labels, cameras.numpy()) == 0
    leaning = centralise(seen, cameras).features
    expected = dbscan(jaccard_distance(leaning, k1=12, k2=4), radius=0.4, min_samples=4)
    again = cluster_features(seen, cameras, settings=Asked(radius=0.4, centralise_below=0.5))
    assert np.array_equal(again.labels, expected) and share_across_cameras(again.labels, cameras.numpy()) > 0.5
    alone = cluster_features(seen, None, settings=Asked(radius=0.4, centralise_below=0.5))
    assert np.array_equal(alone.labels, plain.labels)


def test_hdbscan_has_no_radius():
    found = cluster_features(FEATURES, None, settings=Asked(clustering="hdbscan"))
    expected = hdbscan(jaccard_distance(FEATURES, k1=12, k2=4), min_cluster_size=4, min_samples=4)
    assert math.isnan(found.radius)
    assert np.array_equal(found.labels, expected)
    assert found.fallback is None


def test_camera_aware_clusters_ignore_what_a_camera_adds():
    people, cameras = torch.arange(120) % 10, torch.arange(120) // 60
    rng = torch.Generator().manual_seed(0)
    rows = torch.randn(10, 64, generator=rng)[people] + 0.3 * torch.randn(120, 64, generator=rng)
    rows = torch.nn.functional.normalize(rows + 3 * torch.randn(2, 64, generator=rng)[cameras], dim=1)
    aware = cluster_features(rows, cameras, settings=Asked(radius=0.5, camera_aware=True))
    unaware = cluster_features(rows, cameras, settings=Asked(radius=0.5))
    assert adjusted_rand_index(aware.labels, people.numpy()) == pytest.approx(1)
    assert adjusted_rand_index(unaware.labels, people.numpy()) < 0.8
    assert aware.fallback is None


def test_camera_aware_clusters_need_no_camera_numbers():
    aware = cluster_features(FEATURES, None, settings=Asked(camera_aware=True))
    assert np.array_equal(aware.labels, cluster_features(FEATURES, None, settings=Asked()).labels)
    assert aware.fallback is None


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (
            Asked(rho=1e-6),
            "the radius is undefined: a share of 1e-06 of 7125 pairs with other neighbourhoods rounds to none",
        ),
        (Asked(radius=1e-5), "DBSCAN with radius 1e-05 found nothing but noise"),
        (Asked(radius=math.nan), "DBSCAN with radius nan found nothing but noise"),
        (Asked(radius=1.0), "DBSCAN with radius 1 put all pictures that are not noise into one cluster"),
        (Asked(clustering="hdbscan", min_cluster_size=61), "HDBSCAN found nothing but noise"),
    ],
)
def test_no_or_one_cluster_gives_way_to_the_radius_with_most_clusters(asked, reason):
    found = cluster_features(FEATURES, None, settings=asked)
    assert found.clusters == 8
    assert 0 < found.radius < 1
    assert found.fallback is not None
    assert found.fallback.startswith(reason)
    assert found.fallback.endswith(
        f": replaced by DBSCAN with radius {found.radius:.4g}, which gives the most clusters"
    )
    assert np.array_equal(
        found.labels, dbscan(jaccard_distance(FEATURES, k1=12, k2=4), radius=found.radius, min_samples=4)
    )


def test_a_radius_at_which_everything_runs_together_gives_way_to_a_smaller_one():
    features = clustered_features(120, people=4, seed=0, spread=1.5).float()
    found = cluster_features(features, None, settings=Asked(rho=0.8, k1=30))
    asked = percentile_radius(jaccard_distance(features, k1=30, k2=4), rho=0.8)
    assert found.clusters > 1
    assert found.radius < asked
    assert found.fallback is not None
    assert found.fallback.startswith(f"DBSCAN with radius {asked:.4g} put all pictures that are not noise into one")


def test_where_no_radius_helps_each_picture_joins_its_nearest():
    angle = torch.deg2rad(torch.tensor([0.0, 10.0, 90.0, 100.0, 180.0, 190.0]))
    pairs = torch.stack((angle.cos(), angle.sin()), dim=1)
    found = cluster_features(pairs, None, settings=Asked(k1=2, k2=1))
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert math.isnan(found.radius)
    assert found.fallback is not None
    assert found.fallback.endswith(
        "no radius gives two clusters either, so each picture was joined with its nearest one"
    )


def test_fewer_pictures_than_neighbours_and_samples_still_get_clusters():
    square = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.8, 0.6]])  # 2 and 3 are nearest to each other
    found = cluster_features(square[[0, 1]].repeat_interleave(2, dim=0), None, settings=Asked(k1=30, k2=6))
    assert found.labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(GclError, match="all 4 pictures form a single group"):
        cluster_features(square, None, settings=Asked(k1=30, k2=6))


@pytest.mark.parametrize("asked", [Asked(), Asked(clustering="hdbscan")])
def test_pictures_that_are_all_the_same_are_refused(asked):
    with pytest.raises(GclError, match="all 40 pictures are the same") as caught:
        cluster_features(torch.ones(40, 4) / 2, None, settings=asked)
    assert "gcl warmup" in caught.value.fix


def test_two_sets_of_identical_pictures_are_two_clusters():
    rows = torch.eye(2)[torch.arange(40) % 2]
    found = cluster_features(rows, None, settings=Asked(k1=20, k2=6))
    assert adjusted_rand_index(found.labels, np.arange(40) % 2) == pytest.approx(1)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_features_that_are_not_finite_are_refused(broken):
    features = FEATURES.clone()
    features[3, 0] = broken
    with pytest.raises(GclError, match="1 of 120 features to cluster are NaN or infinite"):
        cluster_features(features, None, settings=Asked())


def test_three_pictures_are_too_few():
    with pytest.raises(GclError, match="3 pictures are too few to cluster: at least 4 are needed"):
        cluster_features(FEATURES[:3], None, settings=Asked())


def test_clustering_is_repeatable_and_leaves_the_features_alone():
    features = FEATURES.clone().requires_grad_()
    first = cluster_features(features, None, settings=replace(Asked(), camera_aware=False))
    second = cluster_features(features, None, settings=Asked())
    assert np.array_equal(first.labels, second.labels)
    assert torch.equal(features, FEATURES)


def test_other_floating_types_are_clustered_too():
    found = cluster_features(FEATURES.bfloat16(), None, settings=Asked(radius=0.4))
    assert found.clusters == 8
