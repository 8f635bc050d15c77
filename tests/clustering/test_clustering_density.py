import numpy as np
import pytest
import torch
from clustering_written_out import clustered_features, same_partition, to_dense, to_sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN, HDBSCAN

from gcl_cli.clustering.agreement import adjusted_rand_index
from gcl_cli.clustering.density import core_distances, dbscan, hdbscan
from gcl_cli.clustering.jaccard import SparseDistance, jaccard_distance
from gcl_cli.clustering.radius import percentile_radius


def on_a_line(*positions: float):
    """Distances of points on a line, capped at 1."""
    points = np.array(positions)
    return to_sparse(np.minimum(np.abs(points[:, None] - points), 1))


def dense_dbscan(dense: np.ndarray, radius: float, min_samples: int) -> np.ndarray:
    return DBSCAN(eps=radius, min_samples=min_samples, metric="precomputed").fit_predict(dense)


def test_dbscan_on_a_line_worked_by_hand():
    # radius 0.125 and 3 pictures: the middle ones of 0, 1/8, 1/4 and of 5, 5 1/8, 5 1/4 are core, their ends border, 9
    # is noise
    labels = dbscan(on_a_line(5, 0, 5.125, 0.125, 9, 0.25, 5.25), radius=0.125, min_samples=3)
    assert labels.tolist() == [0, 1, 0, 1, -1, 1, 0]


def test_a_border_picture_between_two_clusters_takes_the_lower_label():
    # cores at 0 and 1/2 with three pictures each within 1/4; 1/4 is within reach of both and has but 3 itself
    distance = on_a_line(0.5, 0.25, 0, -0.25, 0.75, -0.25, 0.75)
    assert dbscan(distance, radius=0.25, min_samples=4).tolist() == [0, 0, 1, 1, 0, 1, 0]


@pytest.mark.parametrize("min_samples", [1, 2, 4, 8])
@pytest.mark.parametrize(("size", "people"), [(60, 6), (200, 12), (500, 25)])
def test_dbscan_equals_scikit_learn_on_the_dense_matrix(size, people, min_samples):
    distance = jaccard_distance(clustered_features(size, people=people, seed=size), k1=15, k2=4)
    dense = to_dense(distance)
    found = set()
    for radius in (*np.quantile(distance.values, [0.01, 0.05, 0.2, 0.5, 0.9]).tolist(), 0.4, 0.6, 0.999):
        labels = dbscan(distance, radius=radius, min_samples=min_samples)
        assert np.array_equal(labels, dense_dbscan(dense, radius, min_samples))
        found.add(int(labels.max()))
    assert len(found) > 2


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 25), st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([0.2, 0.4, 0.6, 0.8, 1.0, 1.5]))
def test_dbscan_with_many_ties_equals_scikit_learn(size, seed, min_samples, radius):
    dense = np.random.default_rng(seed).integers(1, 6, size=(size, size)) / 5
    dense = np.minimum(dense, dense.T)
    np.fill_diagonal(dense, 0)
    labels = dbscan(to_sparse(dense), radius=radius, min_samples=min_samples)
    assert np.array_equal(labels, dense_dbscan(dense, radius, min_samples))


def test_dbscan_finds_the_same_clusters_in_any_order_of_the_pictures():
    features = clustered_features(200, people=12, seed=9)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    distance = jaccard_distance(features, k1=15, k2=4)
    radius = percentile_radius(distance, rho=0.04)
    before = dbscan(distance, radius=radius, min_samples=1)  # no border pictures, whose label depends on the order
    after = dbscan(jaccard_distance(features[order], k1=15, k2=4), radius=radius + 1e-9, min_samples=1)
    assert before.max() > 2
    assert same_partition(before[order], after)


def test_core_distance_counts_the_picture_itself():
    distance = on_a_line(0, 0.25, 0.75, 5)
    assert core_distances(distance, min_samples=1).tolist() == [0, 0, 0, 0]
    assert core_distances(distance, min_samples=2).tolist() == [0.25, 0.25, 0.5, 1]
    assert core_distances(distance, min_samples=3).tolist() == [0.75, 0.5, 0.75, 1]
    assert core_distances(distance, min_samples=4).tolist() == [1, 1, 1, 1]


def test_hdbscan_keeps_groups_without_any_pair_between_them_apart():
    labels = hdbscan(on_a_line(5, 0, 5.1, 0.1, 9, 0.25, 5.22), min_cluster_size=3, min_samples=2)
    assert labels.tolist() == [0, 1, 0, 1, -1, 1, 0]


def dense_hdbscan(distance: SparseDistance, min_cluster_size: int, min_samples: int) -> np.ndarray:
    dense = np.maximum(to_dense(distance), 1e-6)
    np.fill_diagonal(dense, 0)
    model = HDBSCAN(min_cluster_size=min_cluster_size, min_samples=min_samples, metric="precomputed", copy=True)
    return model.fit_predict(dense)


@pytest.mark.parametrize("min_samples", [1, 2])
@pytest.mark.parametrize("min_cluster_size", [2, 4, 10])
@pytest.mark.parametrize(("size", "people", "spread"), [(80, 5, 0.8), (250, 15, 0.6), (400, 30, 1.0)])
def test_hdbscan_equals_scikit_learn_on_the_dense_matrix(size, people, spread, min_cluster_size, min_samples):
    features = clustered_features(size, people=people, seed=size, spread=spread)
    distance = jaccard_distance(features, k1=10, k2=3)
    labels = hdbscan(distance, min_cluster_size=min_cluster_size, min_samples=min_samples)
    assert labels.max() >= 1
    assert same_partition(labels, dense_hdbscan(distance, min_cluster_size, min_samples))


@pytest.mark.parametrize("min_cluster_size", [4, 10])
@pytest.mark.parametrize(("size", "people", "spread"), [(80, 5, 0.8), (250, 15, 0.6), (400, 30, 1.0)])
def test_hdbscan_with_tied_reachabilities_differs_little_from_scikit_learn(size, people, spread, min_cluster_size):
    # from 3 pictures on, one core distance is the reachability of several pairs, and the library breaks such ties by
    # the order of the pictures: it differs from itself, on the dense matrix reordered, as much as this
    features = clustered_features(size, people=people, seed=size, spread=spread)
    distance = jaccard_distance(features, k1=10, k2=3)
    labels = hdbscan(distance, min_cluster_size=min_cluster_size, min_samples=4)
    assert adjusted_rand_index(labels, dense_hdbscan(distance, min_cluster_size, 4)) > 0.95


def test_hdbscan_numbers_clusters_by_their_first_picture():
    labels = hdbscan(
        jaccard_distance(clustered_features(150, people=9, seed=2), k1=10, k2=3), min_cluster_size=4, min_samples=2
    )
    firsts = [int(np.argmax(labels == label)) for label in range(labels.max() + 1)]
    assert len(firsts) > 2
    assert firsts == sorted(firsts)


def test_hdbscan_without_a_group_large_enough_calls_everything_noise():
    assert hdbscan(on_a_line(0, 0.1, 5, 5.1), min_cluster_size=3, min_samples=1).tolist() == [-1] * 4


def test_hdbscan_joins_identical_pictures():
    labels = hdbscan(on_a_line(0, 0, 0, 0.75, 0.75, 0.75), min_cluster_size=2, min_samples=2)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
