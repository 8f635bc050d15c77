import math

import pytest
import torch
from scipy.stats import beta, kstest
from training_world import rng

from gcl_cli.training.gcl_plus import Mixup, draw_mixup, symmetric_beta


@pytest.mark.parametrize("concentration", [0.1, 0.6, 1.0, 2.0])
def test_numbers_are_of_the_beta_distribution(concentration):
    generator = rng(3)
    drawn = [symmetric_beta(concentration, generator) for _ in range(1500)]
    assert kstest(drawn, beta(concentration, concentration).cdf).pvalue > 0.001


def test_share_is_the_larger_side_and_one_for_the_batch():
    shares = [draw_mixup(4, concentration=0.6, groups=1, generator=rng(seed)).share for seed in range(200)]
    assert all(share.shape == (4,) and len(set(share.tolist())) == 1 for share in shares)
    first = torch.tensor([float(share[0]) for share in shares])
    assert first.min() >= 0.5 and first.max() <= 1
    # E max(x, 1 - x) for x ~ Beta(.6, .6), whose median is .5: 1 / 2 + E|x - 1/2| = 1/2 + 1 / (2.4 * B * 4^.6 / 2)
    spread = 1 / (0.6 * 2 ** (2 * 0.6) * math.gamma(0.6) ** 2 / math.gamma(1.2))
    assert first.mean() == pytest.approx(0.5 + spread, abs=0.04)


def test_partners_are_an_order_of_the_batch_or_of_each_of_its_parts():
    whole = draw_mixup(12, concentration=0.6, groups=1, generator=rng())
    assert sorted(whole.partners.tolist()) == list(range(12)) != whole.partners.tolist()
    parted = draw_mixup(12, concentration=0.6, groups=3, generator=rng())
    assert [sorted(part.tolist()) for part in parted.partners.chunk(3)] == [[0, 1, 2, 3]] * 3


def test_equal_generators_mix_alike_and_others_differently():
    first, again, other = (draw_mixup(8, concentration=0.6, groups=1, generator=rng(s)) for s in (1, 1, 2))
    assert all(torch.equal(one, same) for one, same in zip(first, again, strict=True))
    assert not torch.equal(first.share, other.share)


def test_codes_are_mixed_by_hand():
    codes = torch.tensor([1.0, 2.0, 4.0]).view(3, 1, 1).expand(3, 2, 4)
    mixed = Mixup(torch.full((3,), 0.75), torch.tensor([2, 1, 0])).of(codes)
    assert mixed.shape == (3, 2, 4)
    assert mixed[:, 0, 0].tolist() == pytest.approx([1.75, 2.0, 3.25])
