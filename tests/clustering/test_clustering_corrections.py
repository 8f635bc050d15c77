import numpy as np
import pytest
import torch
from clustering_written_out import clustered_features
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.clustering.corrections import corrected
from gcl_cli.errors import GclError
from gcl_cli.records import Corrections, PseudoLabels


def at(*degrees: float) -> torch.Tensor:
    angle = torch.deg2rad(torch.tensor(degrees))
    return torch.stack((angle.cos(), angle.sin()), dim=1)


def said(must=(), cannot=()) -> Corrections:
    return Corrections(*(np.array(pairs, dtype=np.int64).reshape(-1, 2) for pairs in (must, cannot)))


def labels_after(labels, features, corrections) -> list[int]:
    found = PseudoLabels(np.array(labels), 0.5)
    return corrected(found, features, None, corrections, camera_aware=False).labels.tolist()


LINE = at(0, 10, 20, 90, 100, 110, 170)


def test_without_corrections_nothing_changes():
    found = PseudoLabels(np.array([1, 1, 0, 0, -1, -1, 2]), 0.5)
    assert corrected(found, LINE, None, None, camera_aware=True) is found
    assert labels_after([0, 0, 1, 1, 1, -1, -1], LINE, said()) == [0, 0, 1, 1, 1, -1, -1]


def test_must_linked_pictures_join_their_clusters_and_noise_comes_with_them():
    assert labels_after([0, 0, 1, 1, 2, 2, -1], LINE, said(must=[(1, 2)])) == [0, 0, 0, 0, 1, 1, -1]
    assert labels_after([0, 0, 1, 1, 2, 2, -1], LINE, said(must=[(6, 2)])) == [0, 0, 1, 1, 2, 2, 1]
    assert labels_after([0, 0, -1, 1, 1, -1, -1], LINE, said(must=[(2, 5), (5, 6)])) == [0, 0, 1, 2, 2, 1, 1]


def test_a_cluster_is_split_by_the_cannot_linked_picture_that_each_is_most_like():
    assert labels_after([0, 0, 0, 0, 0, 0, 0], LINE, said(cannot=[(1, 4)])) == [0, 0, 0, 1, 1, 1, 1]


def test_must_linked_pictures_stay_together_when_their_cluster_is_split():
    # 2 is nearer to 1 than to 4, but its must-linked 6 is nearest of all to 4's part
    features = at(0, 10, 40, 90, 100, 110, 100)
    assert labels_after([0] * 7, features, said(must=[(2, 6)], cannot=[(1, 4)])) == [0, 0, 1, 1, 1, 1, 1]


def test_a_must_link_across_clusters_whose_pictures_are_kept_apart_moves_the_linked_ones_only():
    # 2 and 3 are one person, 0 and 5 are not: the joined cluster is split again between 0 and 5
    after = labels_after([0, 0, 0, 1, 1, 1, -1], LINE, said(must=[(2, 3)], cannot=[(0, 5)]))
    assert after[2] == after[3] and after[0] != after[5]
    assert after[0] == after[1] and after[4] == after[5]


def test_a_part_of_one_picture_becomes_noise():
    assert labels_after([0, 0, 0, 1, 1, 1, 1], at(0, 10, 60, 90, 100, 110, 170), said(cannot=[(1, 2), (0, 2)])) == [
        0, 0, -1, 1, 1, 1, 1,
    ]  # fmt: skip


def test_cannot_links_between_clusters_or_noise_change_nothing():
    before = [0, 0, 0, 1, 1, -1, -1]
    assert labels_after(before, LINE, said(cannot=[(0, 3), (5, 6), (1, 5)])) == before


def test_corrections_that_leave_one_cluster_are_refused():
    with pytest.raises(GclError, match="the corrections turn 2 clusters into 1"):
        labels_after([0, 0, 0, 1, 1, 1, 1], LINE, said(must=[(0, 3)]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_every_correction_holds_afterwards_and_nothing_else_is_clustered(seed):
    rng = np.random.default_rng(seed)
    features = clustered_features(60, people=6, seed=seed).float()
    labels = rng.integers(-1, 6, 60)
    people = rng.integers(0, 12, 60)  # what the person who corrects believes
    pairs = rng.integers(0, 60, (12, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    same = people[pairs[:, 0]] == people[pairs[:, 1]]
    corrections = said(must=pairs[same], cannot=pairs[~same])
    after = np.array(labels_after(labels, features, corrections))
    for first, second in corrections.must:
        assert after[first] == after[second] >= 0 or (after[first] == after[second] == -1 and labels[first] >= 0)
    for first, second in corrections.cannot:
        assert after[first] != after[second] or after[first] == -1
    untouched = (labels == -1) & ~np.isin(np.arange(60), corrections.must)
    assert (after[untouched] == -1).all()
    assert set(after[after >= 0].tolist()) == set(range(after.max() + 1))
