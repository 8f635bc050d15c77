import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from skimage.metrics import structural_similarity

from gcl_cli.metrics.structural_similarity import identity_pairs, similarity


def pictures(count, height, width, seed):
    """Smooth colour fields with noise, [B, 3, H, W] uint8."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 3, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    noise = 0.1 * torch.randn(count, 3, height, width, generator=generator)
    return ((smooth + noise).clamp(0, 1) * 255).byte()


def lab(picture):
    """CIE Lab [H, W, 3] float64 of a picture [3, H, W] uint8."""
    return rgb2lab(picture.permute(1, 2, 0).numpy())


def test_similarity_equals_the_formula_as_plain_loops_in_lab():
    """Wang et al. (2004), eq. 13: uniform 7 x 7 windows that lie inside, sample covariances, K1 = 0.01, K2 = 0.03."""
    first, second = pictures(1, 9, 8, 3), pictures(1, 9, 8, 4)
    a, b = lab(first[0]), lab(second[0])
    values = []
    for channel in range(3):
        for y in range(3):
            for x in range(2):
                p, q = (one[y : y + 7, x : x + 7, channel].ravel() for one in (a, b))
                c1, c2 = 1.0**2, 3.0**2
                above = (2 * p.mean() * q.mean() + c1) * (2 * np.cov(p, q)[0, 1] + c2)
                values.append(above / ((p.mean() ** 2 + q.mean() ** 2 + c1) * (p.var(ddof=1) + q.var(ddof=1) + c2)))
    assert float(similarity(first, second)) == pytest.approx(np.mean(values), abs=1e-5)


@pytest.mark.parametrize("size", [(7, 7), (20, 33), (128, 64)])
def test_single_precision_is_enough(size):
    first, second = (pictures(3, *size, seed) for seed in (1, 2))
    second[1] = (0.8 * first[1] + 0.2 * second[1]).byte()
    expected = [
        structural_similarity(lab(a), lab(b), channel_axis=2, data_range=100)
        for a, b in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(similarity(first, second), expected, atol=1e-5)


def test_a_picture_is_itself_and_the_order_of_two_does_not_matter():
    first, second = pictures(2, 32, 16, 7), pictures(2, 32, 16, 8)
    np.testing.assert_allclose(similarity(first, first), [1, 1], atol=1e-6)
    np.testing.assert_allclose(similarity(first, second), similarity(second, first), atol=1e-6)


def test_pairs_are_the_same_alone_together_and_on_any_number_of_threads(monkeypatch):
    first, second = pictures(3, 24, 12, 11), pictures(3, 24, 12, 12)
    alone = [float(similarity(a[None], b[None])) for a, b in zip(first, second, strict=True)]
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert similarity(first, second).tolist() == alone
        turned = [one.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) for one in (first, second)]
        assert similarity(*turned).tolist() == pytest.approx(alone, abs=1e-6)


def test_pairs_are_two_different_pictures_of_one_known_identity():
    labels = torch.tensor([4, -1, 4, 2, 2, 4, -1, 9])
    pairs = identity_pairs(labels, pairs_per_identity=200, generator=torch.Generator().manual_seed(0))
    assert len(pairs) == 2 * 200  # identity 9 has one picture, -1 is unknown
    assert (labels[pairs[:, 0]] == labels[pairs[:, 1]]).all()
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert {tuple(pair) for pair in pairs.tolist()} >= {(a, b) for a in (0, 2, 5) for b in (0, 2, 5) if a != b}


def test_pairs_follow_the_generator():
    labels = torch.arange(40) % 5
    draws = [
        identity_pairs(labels, pairs_per_identity=10, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_no_identity_with_two_pictures_gives_no_pairs():
    pairs = identity_pairs(torch.tensor([1, 2, -1, -1]), pairs_per_identity=3, generator=torch.Generator())
    assert pairs.shape == (0, 2)
