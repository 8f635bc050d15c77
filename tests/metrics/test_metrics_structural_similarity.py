import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from skimage.metrics import structural_similarity

from gcl_cli.metrics.structural_similarity import dissimilarity, identity_pairs, lab_of_srgb, ssim


def pictures(count, height, width, seed):
    """Smooth colour fields with noise, [B, 3, H, W] uint8."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 3, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    noise = 0.1 * torch.randn(count, 3, height, width, generator=generator)
    return ((smooth + noise).clamp(0, 1) * 255).byte()


def test_lab_equals_scikit_image_on_every_grey_and_many_colours():
    generator = torch.Generator().manual_seed(0)
    colours = torch.randint(0, 256, (1, 3, 64, 64), generator=generator, dtype=torch.uint8)
    colours[0, :, 0] = torch.arange(64, dtype=torch.uint8)  # the dark greys of the linear branch
    expected = rgb2lab(colours[0].permute(1, 2, 0).numpy())
    np.testing.assert_allclose(lab_of_srgb(colours)[0].permute(1, 2, 0), expected, atol=2e-3)


def test_white_is_100_and_black_is_0():
    ends = torch.tensor([0, 255], dtype=torch.uint8).expand(1, 3, 1, 2)
    np.testing.assert_allclose(lab_of_srgb(ends)[0, 0, 0], [0.0, 100.0], atol=1e-3)


@pytest.mark.parametrize("size", [(7, 7), (20, 33), (128, 64)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ssim_equals_scikit_image(size, dtype):
    first, second = (pictures(3, *size, seed).to(dtype) / 2.55 for seed in (1, 2))
    second[1] = 0.8 * first[1] + 0.2 * second[1]
    expected = [
        structural_similarity(a.double().numpy(), b.double().numpy(), channel_axis=0, data_range=100)
        for a, b in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(
        ssim(first, second, data_range=100.0), expected, atol=1e-6 if dtype.itemsize == 4 else 1e-12
    )


def test_ssim_equals_the_formula_as_plain_loops():
    a, b = (pictures(1, 9, 8, seed).double()[0, 0].numpy() for seed in (3, 4))
    values = []
    for y in range(3):
        for x in range(2):
            p, q = a[y : y + 7, x : x + 7].ravel(), b[y : y + 7, x : x + 7].ravel()
            c1, c2 = 2.55**2, 7.65**2
            above = (2 * p.mean() * q.mean() + c1) * (2 * np.cov(p, q)[0, 1] + c2)
            values.append(above / ((p.mean() ** 2 + q.mean() ** 2 + c1) * (p.var(ddof=1) + q.var(ddof=1) + c2)))
    result = ssim(torch.tensor(a)[None, None], torch.tensor(b)[None, None], data_range=255.0)
    assert float(result) == pytest.approx(np.mean(values), rel=1e-12)


def test_dissimilarity_equals_scikit_image_in_lab():
    first, second = pictures(2, 64, 32, 5), pictures(2, 64, 32, 6)
    lab = [[rgb2lab(picture.permute(1, 2, 0).numpy()) for picture in batch] for batch in (first, second)]
    expected = [
        (1 - structural_similarity(a, b, channel_axis=2, data_range=100)) / 2 for a, b in zip(*lab, strict=True)
    ]
    np.testing.assert_allclose(dissimilarity(first, second), expected, atol=1e-5)


def test_dissimilarity_is_zero_to_oneself_and_symmetric():
    first, second = pictures(2, 32, 16, 7), pictures(2, 32, 16, 8)
    np.testing.assert_allclose(dissimilarity(first, first), [0, 0], atol=1e-6)
    np.testing.assert_allclose(dissimilarity(first, second), dissimilarity(second, first), atol=1e-6)


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


def test_pictures_whose_rows_do_not_lie_end_to_end_are_compared_alike():
    first, second = (pictures(2, 20, 16, seed).float() for seed in (9, 10))
    expected = ssim(first, second, data_range=255.0)
    turned = [one.to(memory_format=torch.channels_last) for one in (first, second)]
    assert torch.equal(ssim(*turned, data_range=255.0), expected)
    turned = [one.permute(0, 2, 3, 1).contiguous().byte().permute(0, 3, 1, 2) for one in (first, second)]
    assert torch.equal(dissimilarity(*turned), dissimilarity(first.byte(), second.byte()))


def test_what_was_compared_before_leaves_no_trace():
    first, second = pictures(3, 24, 12, 11), pictures(3, 24, 12, 12)
    together = dissimilarity(first, second)
    assert together.tolist() == [float(dissimilarity(a[None], b[None])) for a, b in zip(first, second, strict=True)]
