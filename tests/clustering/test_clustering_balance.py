import numpy as np
import pytest
from clustering_written_out import to_sparse

from gcl_cli.clustering.balance import balanced_radius
from gcl_cli.clustering.density import dbscan


def crowd(bridge: float, *, people: int = 8, pictures: int = 4, near: float = 0.3):
    """`people` of `pictures` each, `near` to each other; the first of everybody is `bridge` from the next one's."""
    size = people * pictures
    dense = np.ones((size, size))
    for person in range(people):
        own = slice(person * pictures, (person + 1) * pictures)
        dense[own, own] = near
        if person + 1 < people:
            first, other = person * pictures, (person + 1) * pictures
            dense[first, other] = dense[other, first] = bridge
    np.fill_diagonal(dense, 0)
    return to_sparse(dense)


@pytest.mark.parametrize(
    ("bridge", "radius"),
    [
        (0.6, 0.575),  # from .6 on all are one
        (0.45, 0.425),
        (0.9, 0.8),  # never one
    ],
)
def test_radius_is_the_widest_before_clusters_run_into_each_other(bridge, radius):
    assert balanced_radius(crowd(bridge), min_samples=3, factor=5) == pytest.approx(radius)


def test_one_large_cluster_is_as_good_as_its_factor():
    """Five of eight people become one at .5: 20 pictures among clusters of 4, 2.5 times the mean of four clusters."""
    distance = crowd(0.95)
    dense = np.ones((32, 32))
    rows, columns = distance.pairs()
    dense[rows, columns] = dense[columns, rows] = distance.values
    for person in range(4):
        first, other = person * 4, (person + 1) * 4
        dense[first, other] = dense[other, first] = 0.5
    np.fill_diagonal(dense, 0)
    joined = to_sparse(dense)
    assert np.bincount(dbscan(joined, radius=0.5, min_samples=3)).tolist() == [20, 4, 4, 4]
    assert balanced_radius(joined, min_samples=3, factor=2.4) == pytest.approx(0.475)
    assert balanced_radius(joined, min_samples=3, factor=2.6) == pytest.approx(0.8)


def test_no_two_clusters_at_any_radius_is_none():
    assert balanced_radius(to_sparse(1 - np.eye(8)), min_samples=2, factor=5) is None
    assert balanced_radius(to_sparse(0.1 * (1 - np.eye(8))), min_samples=2, factor=5) is None
