"""Which two pictures somebody should look at first."""

import numpy as np
import pytest

from gcl_cli.clustering.jaccard import SparseDistance
from gcl_cli.clustering.questions import questions


def sparse(dense: np.ndarray) -> SparseDistance:
    rows, columns = np.triu_indices(len(dense), 1)
    near = dense[rows, columns] < 1
    rows, columns = rows[near], columns[near]
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=len(dense)))))
    return SparseDistance(len(dense), indptr, columns.astype(np.int32), dense[rows, columns].astype(np.float32))


def blocks(between: dict[tuple[int, int], float], sizes: list[int], within: float = 0.2) -> np.ndarray:
    group = np.repeat(np.arange(len(sizes)), sizes)
    dense = np.ones((len(group), len(group)))
    for (one, other), value in {**{(g, g): within for g in range(len(sizes))}, **between}.items():
        dense[np.ix_(group == one, group == other)] = dense[np.ix_(group == other, group == one)] = value
    np.fill_diagonal(dense, 0)
    return dense


def test_a_cluster_of_two_groups_is_asked_about_with_one_picture_of_each():
    dense = blocks({(0, 1): 0.8}, [4, 3, 4])
    (split,) = questions(sparse(dense), np.array([0] * 7 + [1] * 4), count=9)[:1]
    assert split.clusters == (0, 0) and split.pairs == 12
    assert {split.first < 4, split.second < 4} == {True, False}
    assert split.chance == pytest.approx((0.8 - 0.2) / 0.8)
    assert split.gain == pytest.approx(9)


def test_two_clusters_that_are_as_near_as_their_own_pictures_are_asked_about_first():
    dense = blocks({(0, 1): 0.25, (1, 2): 0.9}, [3, 3, 3])
    found = questions(sparse(dense), np.repeat(np.arange(3), 3), count=9)
    assert [one.clusters for one in found] == [(0, 1), (1, 2)]
    assert found[0].chance == pytest.approx(0.2 / 0.25) and found[0].pairs == 9
    assert found[1].chance == pytest.approx(0.2 / 0.9)
    assert questions(sparse(dense), np.repeat(np.arange(3), 3), count=1) == found[:1]


def test_noise_is_asked_about_by_nobody_and_no_clusters_have_no_questions():
    dense = blocks({(0, 1): 0.3}, [3, 3])
    assert questions(sparse(dense), np.array([0, 0, 0, -1, -1, -1]), count=9) == []
    assert questions(sparse(dense), np.full(6, -1), count=9) == []


def test_chances_that_are_known_take_the_place_of_doubt():
    dense = blocks({(0, 1): 0.8, (2, 3): 0.5}, [4, 3, 4, 3])
    labels = np.repeat([0, 1, 2], [7, 4, 3])
    found = questions(sparse(dense), labels, count=9, two=np.array([0.6, 0.1, 0.0]), same={(1, 2): 0.3})
    assert [(one.clusters, one.pairs, round(one.gain, 6)) for one in found] == [((0, 0), 12, 7.2), ((1, 2), 12, 3.6)]
