"""Distances by blocks of rows against the whole matrix."""

import numpy as np
import pytest
import torch
from clustering_written_out import clustered_features, same_partition, to_dense
from sklearn.cluster import DBSCAN

from gcl_cli.clustering import blocks
from gcl_cli.clustering.blocks import (
    closest_pairs,
    entries,
    feature_distance,
    mixed,
    nearest_rows,
    normalised,
    pairs_within,
)
from gcl_cli.clustering.jaccard import expanded_neighbours
from gcl_cli.clustering.percentile import cluster_slots, jaccard_mixture, jaccard_of_rows, percentile_dbscan
from gcl_cli.errors import GclError
from gcl_cli.records import PseudoLabels


@pytest.fixture(autouse=True, params=[1, 700, 1 << 22])
def block_size(request, monkeypatch):
    """One row, a few rows, and all rows at a time."""
    monkeypatch.setattr(blocks, "ENTRIES_AT_ONCE", request.param)


FEATURES = clustered_features(60, people=9, seed=3)
DENSE = ((1 - FEATURES @ FEATURES.T) / 2).clamp(0, 1).numpy()


def written_out_jaccard(distance: np.ndarray, *, k1: int, k2: int) -> np.ndarray:
    """J [N, N] of any distance [N, N] by loops over sets, with lists of k1 others (Zhong et al. 2017)."""
    size = len(distance)
    first = distance.copy()
    np.fill_diagonal(first, -1)
    ranking = np.argsort(first, axis=1, kind="stable")

    def reciprocal(i: int, k: int) -> set[int]:
        return {int(j) for j in ranking[i, : k + 1] if i in ranking[j, : k + 1]}

    weights = np.zeros((size, size))
    for i in range(size):
        chosen = set(mine := reciprocal(i, k1))
        for q in mine:
            theirs = reciprocal(q, round(k1 / 2))
            if len(theirs & mine) > 2 / 3 * len(theirs):
                chosen |= theirs
        members = sorted(chosen)
        weights[i, members] = np.exp(-distance[i, members]) / np.exp(-distance[i, members]).sum()
    weights = np.stack([weights[ranking[i, :k2]].mean(axis=0) for i in range(size)])
    smaller = np.stack([np.minimum(row, weights).sum(axis=1) for row in weights])
    return 1 - smaller / (2 - smaller)


def test_rows_of_the_feature_distance_are_those_of_the_matrix():
    found = torch.cat([block for _, block in feature_distance(FEATURES).blocks()])
    assert np.allclose(found, DENSE, atol=1e-12)


def test_normalised_distances_run_from_0_to_1():
    found = torch.cat([block for _, block in normalised(feature_distance(FEATURES)).blocks()]).numpy()
    assert np.allclose(found, (DENSE - DENSE.min()) / (DENSE.max() - DENSE.min()))
    assert found.min() == 0 and found.max() == pytest.approx(1)


def test_nearest_begin_with_the_picture_itself_also_among_twins():
    twins = torch.cat([FEATURES, FEATURES[:10]])
    nearest = nearest_rows(feature_distance(twins), k=5)
    assert (nearest[:, 0] == np.arange(70)).all()
    assert (nearest[:10, 1] == np.arange(60, 70)).all()
    full = (1 - twins @ twins.T).numpy()
    np.fill_diagonal(full, -1)
    assert np.allclose(np.take_along_axis(full, nearest, 1), np.sort(full, axis=1)[:, :5], atol=1e-12)


def test_entries_are_read_in_the_order_of_the_pattern():
    pattern = expanded_neighbours(nearest_rows(feature_distance(FEATURES), k=6), half=4)
    pattern.sort_indices()
    rows, columns = pattern.nonzero()
    assert np.allclose(entries(feature_distance(FEATURES), pattern), DENSE[rows, columns], atol=1e-12)


@pytest.mark.parametrize("count", [1, 50, 700, 1770])
def test_closest_pairs_are_the_first_of_all_sorted_pairs(count):
    found = closest_pairs(feature_distance(FEATURES), count=count)
    values = np.sort(DENSE[np.triu_indices(60, 1)])
    assert np.allclose(np.sort(found.values), values[:count], atol=1e-12)
    rows, columns = found.pairs()
    assert np.allclose(found.values, DENSE[rows, columns], atol=1e-12) and (rows < columns).all()


def test_equal_pictures_are_kept_beside_the_closest_pairs_that_differ():
    twins = torch.cat([FEATURES, FEATURES[:10]])
    assert len(closest_pairs(feature_distance(twins), count=50).values) >= 60


@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_the_floor_of_the_share_is_that_of_sorting_all_pairs(floor):
    values = np.sort(DENSE[np.triu_indices(60, 1)])
    values = values[values > floor]
    found = percentile_dbscan(feature_distance(FEATURES), rho=0.1, factor=1.0, min_samples=1, floor=floor)
    assert found.radius == pytest.approx(values[: round(0.1 * len(values))].mean())


def test_pairs_within_a_radius_are_all_of_them():
    rows, columns = pairs_within(feature_distance(FEATURES), radius=0.4).pairs()
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == set(
        zip(*(ends.tolist() for ends in np.nonzero(np.triu(DENSE <= 0.4, 1))), strict=True)
    )


def test_jaccard_of_a_distance_equals_the_sets_written_out():
    plain = normalised(feature_distance(FEATURES))
    dense = (DENSE - DENSE.min()) / (DENSE.max() - DENSE.min())
    expected = written_out_jaccard(dense, k1=8, k2=4)
    np.fill_diagonal(expected, 0)
    assert np.allclose(to_dense(jaccard_of_rows(plain, k1=8, k2=4)), expected, atol=1e-9)


def test_mixture_counts_every_pair_also_those_without_a_shared_neighbour():
    plain = normalised(feature_distance(FEATURES))
    jaccard = jaccard_of_rows(plain, k1=4, k2=2)
    dense = to_dense(jaccard)
    assert (dense == 1).any()
    found = torch.cat([block for _, block in mixed(jaccard, plain, weight=0.7).blocks()]).numpy()
    expected = 0.7 * dense + 0.3 * torch.cat([block for _, block in plain.blocks()]).numpy()
    assert np.allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(("rho", "min_samples"), [(0.02, 1), (0.1, 4), (0.5, 1)])
def test_clusters_are_those_of_the_library_on_the_whole_matrix(rho, min_samples):
    mixture = jaccard_mixture(feature_distance(FEATURES), k1=8, k2=4, weight=0.3)
    whole = torch.cat([block for _, block in mixture.blocks()]).numpy()
    np.fill_diagonal(whole, 0)
    values = np.sort(whole[np.triu_indices(60, 1)])
    radius = values[: round(rho * len(values))].mean()
    found = percentile_dbscan(mixture, rho=rho, factor=0.8, min_samples=min_samples)
    assert found.radius == pytest.approx(0.8 * radius)
    labels = DBSCAN(eps=0.8 * radius, min_samples=min_samples, metric="precomputed").fit_predict(whole)
    assert same_partition(found.labels, labels)


def test_a_fixed_radius_takes_the_place_of_the_share():
    found = percentile_dbscan(feature_distance(FEATURES), rho=0.5, factor=0.8, min_samples=1, radius=0.1)
    assert found.radius == 0.1


def test_a_share_of_no_pair_is_refused():
    with pytest.raises(GclError, match="rounds to none"):
        percentile_dbscan(feature_distance(FEATURES), rho=1e-5, factor=1.0, min_samples=1)


def test_slots_are_clustered_alone_with_three_times_the_share_and_share_no_label():
    slots = torch.tensor([5, 2] * 30)
    shares = []

    def cluster(rows: torch.Tensor, rho: float) -> PseudoLabels:
        shares.append((rows.tolist(), rho))
        return PseudoLabels(np.array([0, 1, -1] * 10), radius=0.2 * len(shares))

    found = cluster_slots(slots, cluster, size=60, rho=0.01)
    assert shares == [(list(range(1, 60, 2)), pytest.approx(0.03)), (list(range(0, 60, 2)), pytest.approx(0.03))]
    assert found.radius == pytest.approx(0.3) and found.clusters == 4 and found.fallback is None
    assert set(found.labels[0::2].tolist()) == {2, 3, -1} and set(found.labels[1::2].tolist()) == {0, 1, -1}


def test_pictures_of_a_slot_too_small_for_the_share_stay_alone_and_it_is_said():
    slots = torch.tensor([0] * 58 + [1, 1])
    found = cluster_slots(slots, lambda rows, _: PseudoLabels(np.zeros(len(rows), int), 0.1), size=60, rho=0.01)
    assert found.labels.tolist() == [0] * 58 + [1, 2]
    assert found.fallback is not None and "2 pictures" in found.fallback


def test_without_slots_all_pictures_are_clustered_together_with_the_share_itself():
    asked = []

    def cluster(rows: torch.Tensor, rho: float) -> PseudoLabels:
        asked.append((len(rows), rho))
        return PseudoLabels(np.zeros(len(rows), int), 0.1)

    cluster_slots(None, cluster, size=60, rho=0.01)
    assert asked == [(60, 0.01)]
