import numpy as np
import pytest
import torch
from clustering_written_out import clustered_features, to_dense, to_sparse

from gcl_cli.clustering.jaccard import jaccard_distance
from gcl_cli.clustering.radius import percentile_radius
from gcl_cli.errors import GclError


def five_pictures(*near: float):
    """Five pictures (10 pairs) of which the first pairs are at the distances given, all others at 1."""
    dense = np.ones((5, 5))
    rows, columns = np.triu_indices(5, 1)
    dense[rows[: len(near)], columns[: len(near)]] = near
    return to_sparse(np.minimum(dense, dense.T))


@pytest.mark.parametrize(
    ("near", "rho", "radius"),
    [
        ((0.5, 0.2, 0.4), 0.2, 0.3),  # 2 of 10 pairs: 0.2, 0.4
        ((0.5, 0.2, 0.4), 0.3, 1.1 / 3),
        ((0.5, 0.2, 0.4), 0.5, (1.1 + 2) / 5),  # two absent pairs at 1
        ((0.5, 0.2, 0.4), 0.25, 0.3),  # 2.5 is rounded to the even 2
        ((0.5, 0.2, 0.4), 1.0, (1.1 + 7) / 10),
        ((0.5, 0.0, 0.4, 1e-7), 0.25, 0.45),  # two pairs have the same neighbourhoods: 2 of 8 pairs
        ((), 0.2, 1.0),
    ],
)
def test_radius_is_the_mean_of_the_smallest_distances(near, rho, radius):
    assert percentile_radius(five_pictures(*near), rho=rho) == pytest.approx(radius, abs=1e-12)


@pytest.mark.parametrize(
    ("floor", "radius"),
    [(0.0, (1e-7 + 0.4) / 2), (1e-7, 0.45), (0.4, 0.75)],  # 2 of 9, of 8 and of 7 pairs
)
def test_pairs_up_to_the_floor_do_not_count(floor, radius):
    near = five_pictures(0.5, 0.0, 0.4, 1e-7)
    assert percentile_radius(near, rho=0.25, floor=floor) == pytest.approx(radius, rel=1e-9)


@pytest.mark.parametrize("floor", [0.0, 1e-6, 0.3])
@pytest.mark.parametrize("rho", [0.002, 0.016, 0.3, 0.9])
def test_radius_equals_sorting_all_pairs(rho, floor):
    distance = jaccard_distance(clustered_features(150, people=10, seed=1), k1=20, k2=6)
    every = np.sort(to_dense(distance)[np.triu_indices(150, 1)])
    every = every[every > floor]
    expected = every[: round(rho * len(every))].mean()
    assert percentile_radius(distance, rho=rho, floor=floor) == pytest.approx(expected, rel=1e-12)


def test_radius_does_not_depend_on_the_order_of_the_pictures():
    features = clustered_features(120, people=10, seed=2)
    order = torch.randperm(120, generator=torch.Generator().manual_seed(0))
    first = percentile_radius(jaccard_distance(features, k1=20, k2=6), rho=0.01)
    assert percentile_radius(jaccard_distance(features[order], k1=20, k2=6), rho=0.01) == pytest.approx(first)


def test_a_share_that_rounds_to_no_pair_is_refused_with_a_share_that_does_not():
    with pytest.raises(GclError, match=r"0.04 of 10 pairs .* rounds to none") as caught:
        percentile_radius(five_pictures(0.5), rho=0.04)
    assert "raise rho above 0.1" in caught.value.fix


def test_pictures_that_all_have_the_same_neighbourhoods_leave_no_radius():
    with pytest.raises(GclError, match="of 0 pairs") as caught:
        percentile_radius(to_sparse(np.zeros((4, 4))), rho=0.5)
    assert caught.value.fix == "give pictures that differ"
