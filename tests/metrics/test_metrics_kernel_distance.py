import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.errors import GclError
from gcl_cli.metrics.kernel_distance import kernel_distance, kernel_interval


def draw(rows, seed, shift=0.0, columns=6):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64) + shift


def by_loops(first, second):
    """The estimator as written in the paper."""

    def kernel(x, y):
        return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    first, second = first.tolist(), second.tolist()
    n, m = len(first), len(second)
    inside_first = sum(kernel(first[i], first[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    inside_second = sum(kernel(second[i], second[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return inside_first + inside_second - 2 * sum(kernel(x, y) for x in first for y in second) / (n * m)


def test_hand_worked_value():
    # k(1, 1) = 8, k(1, 0) = k(0, 0) = 1, k(-1, 1) = 0, k(0, -1) = 1: within {1, -1}: 0; within {0, 0}: 1; across: 1
    first, second = torch.tensor([[1.0], [-1.0]]), torch.tensor([[0.0], [0.0]])
    assert kernel_distance(first, second) == pytest.approx(0 + 1 - 2 * 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 999))
def test_equals_the_formula_as_plain_loops(rows, others, seed):
    first, second = draw(rows, seed), draw(others, seed + 1, shift=0.3)
    assert kernel_distance(first, second) == pytest.approx(by_loops(first, second), rel=1e-9, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999))
def test_order_of_pictures_and_of_sets_changes_nothing(seed):
    first, second = draw(12, seed), draw(9, seed + 1)
    shuffled = first[torch.randperm(12, generator=torch.Generator().manual_seed(seed))]
    assert kernel_distance(shuffled, second) == pytest.approx(kernel_distance(first, second), rel=1e-9)
    assert kernel_distance(second, first) == pytest.approx(kernel_distance(first, second), rel=1e-9)


def test_no_bias_however_few_the_pictures_and_further_apart_is_larger():
    values = [kernel_distance(draw(4, seed), draw(4, seed + 5000)) for seed in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(len(values))
    steps = [kernel_distance(draw(200, 1), draw(200, 2, shift=shift)) for shift in (0.2, 0.5, 1.0)]
    assert steps == sorted(steps)


def interval(first, second, **changed):
    chosen = {"subsets": 100, "subset_size": 1000, "generator": torch.Generator().manual_seed(0)} | changed
    return kernel_interval(first, second, **chosen)


def test_the_interval_holds_the_true_distance_about_as_often_as_it_says():
    truth = kernel_distance(draw(3000, 1), draw(3000, 2, shift=0.6))
    found = [interval(draw(60, 10 + s), draw(60, 900 + s, shift=0.6), subsets=40) for s in range(60)]
    inside = sum(one.low <= truth <= one.high for one in found)
    assert inside >= 51  # 57 expected of 60; three standard deviations below


def test_the_interval_narrows_with_more_pictures_and_centres_on_the_value():
    few, many = (interval(draw(n, 1), draw(n, 2, shift=0.5)) for n in (40, 640))
    assert many.high - many.low < 0.5 * (few.high - few.low)
    assert many.value == pytest.approx((many.low + many.high) / 2)
    assert (few.subset, many.subset) == (20, 320)
    assert interval(draw(40, 1), draw(40, 2), subset_size=7).subset == 7


def test_one_picture_has_no_distance():
    with pytest.raises(GclError, match="two pictures or more of each kind, found 1"):
        kernel_distance(draw(1, 0), draw(5, 1))
