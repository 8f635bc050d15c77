import numpy as np
import pytest
import scipy.linalg
import torch

from gcl_cli.errors import GclError
from gcl_cli.metrics.frechet import frechet_distance, statistics


def draw(rows, columns, seed):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(columns, columns, generator=generator, dtype=torch.float64)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64) @ mixing


def test_equal_covariances_leave_the_squared_distance_of_the_means():
    mean, covariance = statistics(draw(50, 6, 0))
    step = torch.tensor([1.0, 2.0, 0.0, 0.0, 0.0, -2.0], dtype=torch.float64)
    assert frechet_distance(mean, covariance, mean + step, covariance) == pytest.approx(9.0)


def test_diagonal_covariances_have_a_closed_form():
    # sum of (standard deviation 1 - standard deviation 2)^2: (1 - 3)^2 + (2 - 2)^2 + (5 - 1)^2 = 20
    zero = torch.zeros(3)
    first, second = torch.diag(torch.tensor([1.0, 4.0, 25.0])), torch.diag(torch.tensor([9.0, 4.0, 1.0]))
    assert frechet_distance(zero, first, zero, second) == pytest.approx(20.0)


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_formula_with_a_general_matrix_root(seed):
    mean1, covariance1 = statistics(draw(60, 8, seed))
    mean2, covariance2 = statistics(draw(40, 8, seed + 100) + 0.5)
    root = scipy.linalg.sqrtm((covariance1 @ covariance2).numpy()).real
    expected = ((mean1 - mean2) ** 2).sum() + torch.trace(covariance1 + covariance2) - 2 * np.trace(root)
    assert frechet_distance(mean1, covariance1, mean2, covariance2) == pytest.approx(float(expected), rel=1e-9)


def test_singular_covariances_of_few_pictures_are_symmetric_and_zero_to_themselves():
    first, second = statistics(draw(5, 30, 1)), statistics(draw(7, 30, 2))
    there, back = frechet_distance(*first, *second), frechet_distance(*second, *first)
    assert there == pytest.approx(back, rel=1e-6)
    # the root of a rounding error of 1e-16 is 1e-8: judged against the size of the covariance
    assert abs(frechet_distance(*first, *first)) < 1e-5 * float(first[1].trace())


def test_singular_covariances_in_one_plane_equal_the_distance_within_that_plane():
    inside1, inside2 = draw(40, 3, 3), draw(40, 3, 4)
    plane, _ = torch.linalg.qr(draw(10, 10, 5))
    embedded = [statistics(points @ plane[:, :3].T) for points in (inside1, inside2)]
    expected = frechet_distance(*statistics(inside1), *statistics(inside2))
    assert frechet_distance(*embedded[0], *embedded[1]) == pytest.approx(expected, rel=1e-5)


def test_statistics_are_those_of_numpy():
    features = draw(20, 4, 6)
    mean, covariance = statistics(features.float())
    assert mean.dtype == covariance.dtype == torch.float64
    np.testing.assert_allclose(covariance, np.cov(features.float().double().numpy(), rowvar=False), rtol=1e-10)
    np.testing.assert_allclose(mean, features.float().double().numpy().mean(axis=0))


def test_one_picture_has_no_covariance():
    with pytest.raises(GclError, match="found 1"):
        statistics(torch.zeros(1, 4))


@pytest.mark.parametrize("rows", [200, 20])
def test_equals_the_function_of_pytorch_fid(rows):
    """That function in full, but for the argument of sqrtm that SciPy 1.18 no longer has; 20 rows: singular."""
    first, second = (statistics(draw(rows, 40, seed)) for seed in (8, 9))
    (mean1, covariance1), (mean2, covariance2) = ([part.numpy() for part in one] for one in (first, second))
    offset = np.eye(40) * (1e-6 if rows < 40 else 0)  # its way out of singular products
    root = scipy.linalg.sqrtm((covariance1 + offset) @ (covariance2 + offset)).real
    expected = (mean1 - mean2) @ (mean1 - mean2) + np.trace(covariance1) + np.trace(covariance2) - 2 * np.trace(root)
    # pytorch-fid's offset itself moves the value of singular sets
    assert frechet_distance(*first, *second) == pytest.approx(expected, rel=1e-9 if rows > 40 else 1e-3)


def test_singular_and_regular_roots_meet():
    """A covariance that a Cholesky decomposition takes, and almost the same one that it refuses."""
    mean, covariance = statistics(draw(60, 8, 10))
    other = statistics(draw(60, 8, 11))
    flat = covariance.clone()
    flat[0], flat[:, 0] = 0, 0
    barely = flat.clone()
    barely[0, 0] = 1e-12
    flat[0, 0] = -1e-18  # as rounding leaves it
    assert frechet_distance(mean, flat, *other) == pytest.approx(frechet_distance(mean, barely, *other), rel=1e-6)
