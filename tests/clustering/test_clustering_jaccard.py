import tracemalloc
import warnings

import numpy as np
import pytest
import torch
from clustering_written_out import clustered_features, dense_jaccard, dense_weights, to_dense
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.clustering.jaccard import (
    expanded_neighbours,
    half_of,
    jaccard_distance,
    neighbour_weights,
    query_expansion,
)
from gcl_cli.clustering.neighbours import nearest_neighbours


def on_circle(*degrees: float) -> torch.Tensor:
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack((angle.cos(), angle.sin()), dim=1)


def members(pattern, row: int) -> list[int]:
    return sorted(pattern.indices[pattern.indptr[row] : pattern.indptr[row + 1]].tolist())


def test_jaccard_of_four_pictures_worked_by_hand():
    # A at 0, B at 60, C at 110 and D at 290 degrees; k1 = 2: a picture and its nearest; k2 = 2.
    # Lists: A {A, B}, B {B, C}, C {C, B}, D {D, A}. Reciprocal: A {A}, B {B, C}, C {C, B}, D {D}; nothing to expand.
    # V_A = (1, 0, 0, 0), V_B = (0, p, q, 0), V_C = (0, q, p, 0), V_D = (0, 0, 0, 1), p + q = 1.
    # Means over the lists: A (1/2, p/2, q/2, 0), B and C (0, 1/2, 1/2, 0), D (1/2, 0, 0, 1/2).
    # Sums of minima m: AB = AC = p/2 + q/2 = 1/2, AD = 1/2, BC = 1, BD = CD = 0. J = 1 - m / (2 - m).
    distance = jaccard_distance(on_circle(0, 60, 110, 290), k1=2, k2=2)
    expected = [[0, 2 / 3, 2 / 3, 2 / 3], [2 / 3, 0, 0, 1], [2 / 3, 0, 0, 1], [2 / 3, 1, 1, 0]]
    assert to_dense(distance) == pytest.approx(np.array(expected), abs=1e-12)
    assert list(zip(*map(np.ndarray.tolist, distance.pairs()), strict=True)) == [(0, 1), (0, 2), (0, 3), (1, 2)]


def test_weights_of_two_reciprocal_pictures_worked_by_hand():
    # B and C above: cos 50 = 0.642788, d = 2 - 2 cos = 0.714425, exp(-d) = 0.489473, p = 1 / 1.489473 = 0.671378
    features = on_circle(0, 60, 110, 290)
    weights = neighbour_weights(features, expanded_neighbours(nearest_neighbours(features, k=2), half=2)).toarray()
    assert weights[1] == pytest.approx([0, 0.671378, 0.328622, 0], abs=1e-6)
    assert weights[0].tolist() == [1, 0, 0, 0]


def test_neighbours_of_a_neighbour_join_when_more_than_two_thirds_are_shared():
    # k1 = 6, half lists of 4. R(0) = {0, 2, 3, 4, 5} (0 is not in 1's list); the half list of 3 is {3, 4, 5, 6}, all
    # of it reciprocal, and 3 of the 4 are in R(0): 6 joins. That of 2 is {1, 2}, 1 of 2: 1 does not.
    nearest = [[0, 3, 4, 5, 1, 2], [1, 2, 6, 3, 4, 5], [2, 1, 6, 0, 3, 4], [3, 4, 5, 6, 0, 1]]
    nearest += [[4, 3, 5, 6, 0, 1], [5, 3, 4, 6, 0, 1], [6, 3, 4, 5, 1, 2]]
    assert members(expanded_neighbours(np.array(nearest), half=4), 0) == [0, 2, 3, 4, 5, 6]


def test_neighbours_of_a_neighbour_stay_out_at_exactly_two_thirds():
    # k1 = 4, half lists of 3. R(0) = {0, 1, 3, 4}; the half list of 3 is {3, 4, 5}: 2 of 3 shared, 5 stays out.
    nearest = [[0, 3, 4, 1], [1, 2, 0, 5], [2, 1, 5, 3], [3, 4, 5, 0], [4, 3, 5, 0], [5, 3, 4, 1]]
    assert members(expanded_neighbours(np.array(nearest), half=3), 0) == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("size", "people", "k1", "k2"),
    [(60, 6, 10, 3), (120, 8, 30, 6), (97, 5, 15, 1), (80, 2, 25, 6), (60, 30, 5, 9), (70, 7, 1, 1), (20, 3, 30, 6)],
)
def test_jaccard_equals_the_formula_in_dense_loops(size, people, k1, k2):
    features = clustered_features(size, people=people, seed=size)
    dense = dense_jaccard(features.numpy(), k1=k1, k2=k2)
    assert to_dense(jaccard_distance(features, k1=k1, k2=k2)) == pytest.approx(dense, abs=1e-12)
    assert to_dense(jaccard_distance(features.float(), k1=k1, k2=k2)) == pytest.approx(dense, abs=1e-5)


def test_jaccard_over_several_blocks_of_rows_equals_the_formula_in_dense_loops():
    features = clustered_features(300, people=20, seed=3)
    dense = dense_jaccard(features.numpy(), k1=20, k2=6)
    assert to_dense(jaccard_distance(features, k1=20, k2=6)) == pytest.approx(dense, abs=1e-12)


def test_pairs_without_a_common_neighbour_are_at_distance_one_and_not_stored():
    features = clustered_features(90, people=9, seed=4)
    weights = dense_weights(features.numpy(), k1=8, k2=2)
    disjoint = (weights @ weights.T) == 0
    distance = jaccard_distance(features, k1=8, k2=2)
    assert disjoint.any()
    assert (to_dense(distance)[disjoint] == 1).all()
    assert len(distance.values) == np.triu(~disjoint, 1).sum()
    assert distance.values.max() < 1


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 60), st.integers(1, 12), st.integers(2, 20), st.integers(1, 8), st.integers(0, 10**6))
def test_weights_sum_to_one_and_distances_are_ordered_pairs_between_zero_and_one(size, people, k1, k2, seed):
    features = clustered_features(size, people=people, seed=seed, dimension=8)
    nearest = nearest_neighbours(features, k=min(k1, size))
    weights = neighbour_weights(features, expanded_neighbours(nearest, half=half_of(k1)))
    assert weights.sum(axis=1) == pytest.approx(1)
    assert (weights.diagonal() > 0).all()
    assert query_expansion(weights, nearest[:, :k2]).sum(axis=1) == pytest.approx(1)
    distance = jaccard_distance(features, k1=k1, k2=k2)
    rows, columns = distance.pairs()
    assert (rows < columns).all()
    assert (np.diff(rows.astype(np.int64) * size + columns) > 0).all()
    assert ((distance.values >= 0) & (distance.values <= 1)).all()


def test_reordering_the_pictures_reorders_the_distances():
    features = clustered_features(80, people=8, seed=5)
    order = torch.randperm(80, generator=torch.Generator().manual_seed(0))
    before = to_dense(jaccard_distance(features, k1=12, k2=4))
    after = to_dense(jaccard_distance(features[order], k1=12, k2=4))
    assert after == pytest.approx(before[np.ix_(order, order)], abs=1e-12)


def test_identical_pictures_are_at_distance_zero():
    features = clustered_features(40, people=40, seed=6)
    doubled = torch.cat((features, features))
    dense = to_dense(jaccard_distance(doubled, k1=6, k2=2))
    assert np.diagonal(dense, 40) == pytest.approx(np.zeros(40), abs=1e-12)


@pytest.mark.parametrize("size", [4, 29, 30, 200])
def test_pictures_that_are_all_the_same_give_finite_distances(size):
    values = jaccard_distance(torch.ones(size, 4) / 2, k1=30, k2=6).values
    assert len(values) > 0
    assert np.isfinite(values).all()


def test_jaccard_never_holds_a_number_for_every_pair():
    size = 3000
    features = clustered_features(size, people=200, seed=7).float()
    tracemalloc.start()
    jaccard_distance(features, k1=10, k2=3)
    peak = tracemalloc.get_traced_memory()[1]  # what numpy and scipy took
    tracemalloc.stop()
    assert peak < size**2  # bytes: a quarter of one float32 matrix


def test_no_warning_of_a_library_reaches_the_user():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jaccard_distance(clustered_features(20, people=2, seed=8), k1=5, k2=2)
