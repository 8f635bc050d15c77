"""Numbers of people that stay when clusters are found anew."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from gcl_cli.clustering.numbering import carried_numbers


@pytest.mark.parametrize(
    ("labels", "before", "unused", "numbers"),
    [
        ([0, 0, 1, 1], [7, 7, 3, 3], 9, [7, 3]),  # the same people, found in another order
        ([0, 0, 1, 1, 2], [0, 0, 1, 1, -1], 2, [0, 1, 2]),  # somebody new
        ([0, 0, 0, 0], [4, 4, 4, 2], 6, [4]),  # two became one: it is whom most of it was, 2 is retired
        ([0, 0, 0, 1], [4, 4, 4, 4], 6, [4, 6]),  # one became two: the larger part keeps the number
        ([0, 0, 0, 1, 1], [1, 1, 2, 2, 2], 3, [1, 2]),  # pictures change hands
        ([0, 0, 1], [-1, -1, -1], 5, [5, 6]),  # nobody was known
        ([-1, 0, 0], [3, 3, 3], 4, [3]),
        ([], [], 0, []),
    ],
)
def test_hand_worked_numbers(labels, before, unused, numbers):
    found = carried_numbers(np.array(labels, dtype=np.int64), np.array(before, dtype=np.int64), unused=unused)
    assert found.tolist() == numbers


def test_as_many_pictures_keep_their_number_as_the_whole_matrix_allows():
    rng = np.random.default_rng(0)
    for _ in range(50):
        labels, before = rng.integers(-1, 9, 60), rng.integers(-1, 9, 60) * 3
        labels = np.unique(labels, return_inverse=True)[1] - 1
        before[before < 0] = -1
        numbers = carried_numbers(labels, before, unused=100)
        known = (labels >= 0) & (before >= 0)
        overlap = np.zeros((labels.max() + 1, 30))
        np.add.at(overlap, (labels[known], before[known]), 1)
        rows, columns = linear_sum_assignment(-overlap)
        assert (numbers[labels[known]] == before[known]).sum() == overlap[rows, columns].sum()
        assert len(set(numbers.tolist())) == len(numbers)
        new = numbers[~np.isin(numbers, before)]
        assert sorted(new.tolist()) == list(range(100, 100 + len(new)))
