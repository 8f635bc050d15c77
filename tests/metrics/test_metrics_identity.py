import math

import pytest
import torch

from gcl_cli.metrics import identity
from gcl_cli.metrics.identity import identity_kept, identity_kept_across


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


def test_ranks_count_who_comes_before_the_person_by_hand():
    """Source 0 (left out) and picture 3 show the person; pictures 1 and 2 of others are nearer than 3."""
    real = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.5, 0.5], [0.0, 1.0]])
    kept = identity_kept(real[:1], real, torch.tensor([7, 8, 9, 7, 9]), torch.tensor([0]))
    assert kept.ranks.tolist() == [3] and kept.share == 0 and kept.nearest.tolist() == [1]


def test_across_cameras_the_persons_pictures_under_the_camera_of_the_source_do_not_count():
    real = torch.tensor([[1.0, 0.0], [0.99, 0.01], [0.9, 0.1], [0.5, 0.5]])
    people, cameras, source = torch.tensor([7, 7, 8, 7]), torch.tensor([1, 1, 1, 2]), torch.tensor([0])
    assert identity_kept(real[:1], real, people, source).ranks.tolist() == [1]
    assert identity_kept_across(real[:1], real, people, source, cameras).ranks.tolist() == [2]
    alone = identity_kept_across(real[:1], real, people, source, torch.ones(4, dtype=torch.int64))
    assert alone.judged == 0 and alone.ranks.tolist() == []


def test_ranks_equal_a_sort_in_plain_loops():
    generator = torch.Generator().manual_seed(3)
    real, views = torch.randn(30, 5, generator=generator), torch.randn(12, 5, generator=generator)
    people, sources = torch.randint(-1, 5, (30,), generator=generator), torch.arange(12)
    expected = []
    for view, source in zip(views, sources.tolist(), strict=True):
        others = [row for row in range(30) if row != source]
        others.sort(key=lambda row, view=view: -float(torch.cosine_similarity(view, real[row], dim=0)))
        hits = [rank for rank, row in enumerate(others, start=1) if people[row] == people[source] >= 0]
        expected += hits[:1]
    kept = identity_kept(views, real, people, sources)
    assert kept.ranks.tolist() == expected and kept.share == pytest.approx(expected.count(1) / len(expected))
