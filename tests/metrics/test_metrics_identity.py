import math

import pytest
import torch

from gcl_cli.metrics import identity
from gcl_cli.metrics.identity import identity_kept


def unit(*degrees):
    angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_hand_worked_example():
    real = unit(0, 10, 90, 100, 180)
    persons = torch.tensor([1, 1, 2, 2, 3])
    # view 0 is nearest to its own source (row 0), which is left out: row 1, the same person: kept
    # view 1, made from row 1, has drifted to row 2: lost
    # view 2 shows person 3, who has no other picture: not judged
    views, sources = unit(0, 70, 180), torch.tensor([0, 1, 4])
    result = identity_kept(views, real, persons, sources)
    assert result.nearest.tolist() == [1, 2, 3]
    assert (result.share, result.judged) == (0.5, 2)
    assert result.mean_cosine == pytest.approx((1 + math.cos(math.radians(60)) + 1) / 3)


def test_unknown_persons_are_not_judged():
    result = identity_kept(unit(0, 1), unit(0, 5, 6), torch.tensor([-1, -1, 3]), torch.tensor([0, 2]))
    assert result.judged == 0
    assert math.isnan(result.share)


def test_blocks_and_length_of_features_change_nothing(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    real, views = torch.randn(40, 8, generator=generator), torch.randn(25, 8, generator=generator)
    persons = torch.randint(0, 6, (40,), generator=generator)
    sources = torch.randint(0, 40, (25,), generator=generator)
    whole = identity_kept(views, real, persons, sources)
    monkeypatch.setattr(identity, "_BLOCK_COSINES", 3 * 40)
    blocks = identity_kept(5 * views, real, persons, sources)
    assert torch.equal(whole.nearest, blocks.nearest)
    assert (whole.share, whole.judged) == (blocks.share, blocks.judged)
    for view, source, nearest in zip(views, sources, whole.nearest, strict=True):
        cosines = [float(torch.cosine_similarity(view, other, dim=0)) for other in real]
        cosines[source] = -2
        assert cosines[nearest] == pytest.approx(max(cosines))
