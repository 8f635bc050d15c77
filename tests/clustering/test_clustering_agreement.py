import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.clustering.agreement import adjusted_rand_index, share_across_cameras

labellings = st.lists(st.integers(-1, 4), min_size=2, max_size=30).map(np.array)


def test_rand_index_worked_by_hand():
    # {0, 1, 2}, {3, 4, 5} against {0, 1}, {2, 3}, {4, 5}: pairs together in both 2, in the first 6, in the second 3,
    # of 15. By rng 6 * 3 / 15 = 1.2, at most 4.5: (2 - 1.2) / (4.5 - 1.2)
    first, second = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    assert adjusted_rand_index(first, second) == pytest.approx(0.8 / 3.3)


def test_noise_pictures_do_not_count_as_together():
    # {0, 1} and three of noise against {0, 1}, {2, 3, 4}: together in both 1, first 1, second 4, of 10.
    # By rng 0.4, at most 2.5: (1 - 0.4) / (2.5 - 0.4)
    first, second = np.array([0, 0, -1, -1, -1]), np.array([0, 0, 1, 1, 1])
    assert adjusted_rand_index(first, second) == pytest.approx(0.6 / 2.1)


@settings(deadline=None)
@given(labellings, st.permutations(range(5)))
def test_rand_index_is_one_for_the_same_clusters_under_other_numbers(labels, names):
    renamed = np.where(labels < 0, -1, np.array(names)[labels])
    assert adjusted_rand_index(labels, renamed) == pytest.approx(1)


def test_rand_index_leaves_the_labels_as_they_are():
    labels = np.array([0, -1, -1])
    adjusted_rand_index(labels, labels)
    assert labels.tolist() == [0, -1, -1]


def test_share_of_clusters_across_cameras_worked_by_hand():
    # cluster 0 has cameras 1 and 2, cluster 1 camera 2 alone, cluster 2 cameras 1, 2 and 3; noise does not count
    labels = np.array([0, 0, 1, 1, 2, 2, 2, -1, -1])
    cameras = np.array([1, 2, 2, 2, 1, 2, 3, 1, 2])
    assert share_across_cameras(labels, cameras) == pytest.approx(2 / 3)


def test_share_across_cameras_without_a_cluster_is_zero():
    assert share_across_cameras(np.array([-1, -1]), np.array([1, 2])) == 0
