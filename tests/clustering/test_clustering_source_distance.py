"""ACT's distance to a labelled source: by hand, and against the full matrix."""

import numpy as np
import pytest
import torch
from clustering_written_out import clustered_features

from gcl_cli.clustering.density import dbscan
from gcl_cli.clustering.jaccard import SparseDistance, jaccard_distance
from gcl_cli.clustering.radius import percentile_radius
from gcl_cli.clustering.source_distance import beside_source, distance_to_source


def dense(distance: SparseDistance) -> np.ndarray:
    """All pairs [N, N], the absent ones at 1."""
    full = np.ones((distance.size, distance.size))
    rows, columns = distance.pairs()
    full[rows, columns] = full[columns, rows] = distance.values
    np.fill_diagonal(full, 0)
    return full


@pytest.mark.parametrize("chunk", [1, 2, 1024])
def test_distance_to_source_by_hand(chunk):
    # cosines to the nearest source picture: 1, 0 and -1, hence d = 0, 2 and 4
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    found = distance_to_source(features, torch.tensor([[1.0, 0.0], [0.0, -1.0]])[:1], chunk=chunk)
    largest = 1 - np.exp(-4)
    assert found.tolist() == pytest.approx([0, (1 - np.exp(-2)) / largest, 1])


def test_pictures_that_the_source_holds_are_at_zero():
    features = clustered_features(12, people=3, seed=0)
    assert np.allclose(distance_to_source(features, features), 0, atol=1e-6)


def test_both_distances_are_weighed_for_every_pair_below_one():
    features = clustered_features(40, people=5, seed=1)
    jaccard = jaccard_distance(features, k1=8, k2=3)
    from_source = distance_to_source(features, clustered_features(20, people=4, seed=2))
    mixed = beside_source(jaccard, from_source, weight=0.1)
    rows, columns = mixed.pairs()
    expected = 0.9 * dense(jaccard) + 0.1 * (from_source[:, None] + from_source)
    assert np.allclose(mixed.values, np.minimum(expected[rows, columns], 1), atol=1e-6)


def test_a_radius_below_the_absent_pairs_sees_the_full_matrix():
    features = clustered_features(60, people=6, seed=3)
    jaccard = jaccard_distance(features, k1=10, k2=3)
    from_source = distance_to_source(features, clustered_features(20, people=4, seed=4))
    mixed = beside_source(jaccard, from_source, weight=0.1)
    full = 0.9 * dense(jaccard) + 0.1 * (from_source[:, None] + from_source)
    pairs = np.sort(full[np.triu_indices(60, 1)])
    count = round(0.05 * len(pairs))
    radius = percentile_radius(mixed, rho=0.05)
    assert pairs[count - 1] < 0.9 and radius == pytest.approx(pairs[:count].mean(), rel=1e-5)
    near = (full <= radius) & ~np.eye(60, dtype=bool)
    labels = dbscan(mixed, radius=radius, min_samples=4)
    assert np.array_equal(labels >= 0, (near.sum(1) >= 3) | (near & (near.sum(1) >= 3)).any(1))


def test_without_weight_the_jaccard_distance_is_left():
    features = clustered_features(30, people=4, seed=5)
    jaccard = jaccard_distance(features, k1=8, k2=3)
    assert np.array_equal(beside_source(jaccard, np.ones(30), weight=0.0).values, np.minimum(jaccard.values, 1))
