import pytest
import torch

from gcl_cli.metrics import intervals
from gcl_cli.metrics.intervals import bootstrap_intervals


def interval(values, *, resamples=2000, seed=0):
    values = torch.as_tensor(values, dtype=torch.float64)
    values = values[:, None] if values.ndim == 1 else values
    return bootstrap_intervals(values, resamples=resamples, rng=torch.Generator().manual_seed(seed))


def test_equal_values_have_no_spread():
    torch.testing.assert_close(interval([0.25] * 10), torch.tensor([[0.25, 0.25]], dtype=torch.float64))


def test_two_queries_one_right_and_one_wrong_hand_worked():
    # the mean of two draws is 0, 1/2 or 1, and 0 and 1 come a quarter of the time each: both lie in the middle 95 %
    assert interval([0.0, 1.0]).tolist() == [[0.0, 1.0]]


def test_the_width_is_that_of_the_binomial():
    values = torch.cat([torch.ones(100), torch.zeros(300)])  # p = .25, standard error sqrt(.25 * .75 / 400) = .02165
    low, high = interval(values, resamples=8000)[0].tolist()
    assert low == pytest.approx(0.25 - 1.96 * 0.02165, abs=0.004)
    assert high == pytest.approx(0.25 + 1.96 * 0.02165, abs=0.004)


@pytest.mark.parametrize("seed", range(5))
def test_it_contains_the_mean_and_narrows_with_more_queries(seed):
    values = torch.rand(3200, 2, generator=torch.Generator().manual_seed(seed))
    widths = []
    for size in (50, 200, 800, 3200):
        found = interval(values[:size], seed=seed)
        mean = values[:size].double().mean(dim=0)
        assert (found[:, 0] < mean).all() and (mean < found[:, 1]).all()
        widths.append(found[:, 1] - found[:, 0])
    ratios = torch.stack(widths)[:-1] / torch.stack(widths)[1:]  # four times the queries: half the width
    assert (ratios > 1.6).all() and (ratios < 2.5).all()


def test_columns_are_drawn_together():
    first = torch.rand(60, generator=torch.Generator().manual_seed(0))
    found = interval(torch.stack([first, 2 * first + 1], dim=1))
    torch.testing.assert_close(found[1], 2 * found[0] + 1)


def test_parity_with_a_loop_over_the_same_draws():
    values = torch.rand(7, generator=torch.Generator().manual_seed(1)).double()
    rows = torch.randint(7, (500, 7), generator=torch.Generator().manual_seed(3))
    means = sorted(sum(float(values[row]) for row in draw) / 7 for draw in rows)
    low, high = interval(values, resamples=500, seed=3)[0].tolist()
    # the 2.5 % point of 500 sorted values lies at place .025 * 499 = 12.475
    assert low == pytest.approx(means[12] + 0.475 * (means[13] - means[12]))
    assert high == pytest.approx(means[486] + 0.525 * (means[487] - means[486]))


def test_the_draws_at_once_do_not_matter(monkeypatch):
    values = torch.rand(40, 3, generator=torch.Generator().manual_seed(1))
    whole = interval(values, resamples=100)
    monkeypatch.setattr(intervals, "_DRAWS_AT_ONCE", 400)
    torch.testing.assert_close(interval(values, resamples=100), whole)
