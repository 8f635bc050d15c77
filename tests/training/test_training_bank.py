import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.training.bank import ClusterMemory, MemoryBank, draw_positives, negative_mask

LABELS = torch.tensor([0, 1, 0, -1, 1, 0, 2, -1, 0])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unit_rows(count: int, width: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(count, width, generator=rng(seed)), dim=1)


def blended_one_by_one(rows, indices, features, momentum):
    rows = rows.clone()
    for index, feature in zip(indices.tolist(), features, strict=True):
        moved = momentum * rows[index] + (1 - momentum) * feature
        rows[index] = moved / moved.norm()
    return rows


def test_update_by_hand_weights_the_old_row_with_the_momentum():
    bank = MemoryBank(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    bank.update(torch.tensor([0]), torch.tensor([[0.0, 1.0]]), momentum=0.2)
    assert torch.allclose(bank.rows, torch.tensor([[0.2 / 0.68**0.5, 0.8 / 0.68**0.5], [0.0, 1.0]]))


def test_update_leaves_rows_outside_the_batch_bit_identical():
    rows = unit_rows(10, 4)
    bank = MemoryBank(rows.clone())
    bank.update(torch.tensor([3, 7]), unit_rows(2, 4, seed=1), momentum=0.2)
    outside = [row for row in range(10) if row not in (3, 7)]
    assert torch.equal(bank.rows[outside], rows[outside])
    assert not torch.isclose(bank.rows[[3, 7]], rows[[3, 7]]).all(1).any()


@settings(deadline=None, max_examples=40)
@given(indices=st.lists(st.integers(0, 5), min_size=1, max_size=12), momentum=st.floats(0, 0.9))
def test_update_equals_one_sample_after_the_other_also_for_repeated_rows(indices, momentum):
    rows, features = unit_rows(6, 8), unit_rows(len(indices), 8, seed=1)
    bank = MemoryBank(rows.clone())
    bank.update(torch.tensor(indices), features, momentum=momentum)
    assert torch.allclose(bank.rows, blended_one_by_one(rows, torch.tensor(indices), features, momentum), atol=1e-6)
    assert torch.allclose(bank.rows.norm(dim=1), torch.ones(6), atol=1e-6)


def test_refreshed_rows_are_unit_rows_without_a_graph():
    bank = MemoryBank(unit_rows(5, 4))
    before = bank.rows.clone()
    bank.refresh(torch.tensor([1, 4]), torch.tensor([[0.0, 5.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0]]).requires_grad_())
    assert torch.equal(bank.rows[[1, 4]], torch.eye(4)[[1, 0]])
    assert torch.equal(bank.rows[[0, 2, 3]], before[[0, 2, 3]])
    assert torch.allclose(bank.rows.norm(dim=1), torch.ones(5))
    assert not bank.rows.requires_grad
    assert len(bank) == 5


def test_centroids_are_the_normalised_means_of_their_clusters_without_noise():
    features, labels = unit_rows(9, 4), LABELS
    memory = ClusterMemory.from_features(features, labels)
    by_hand = torch.stack([F.normalize(features[labels == k].mean(0), dim=0) for k in range(3)])
    assert torch.allclose(memory.centroids, by_hand, atol=1e-6)


def test_every_sample_moves_its_centroid_in_the_order_of_the_batch():
    centroids, features = unit_rows(3, 6), unit_rows(8, 6, seed=1)
    labels = torch.tensor([0, 0, 2, 0, 2, 2, 0, 2])
    memory = ClusterMemory(centroids.clone())
    memory.update(features, labels, momentum=0.1, hard=False)
    assert torch.allclose(memory.centroids, blended_one_by_one(centroids, labels, features, 0.1), atol=1e-6)
    assert torch.equal(memory.centroids[1], centroids[1])


def test_hard_update_moves_each_centroid_once_by_its_least_similar_sample():
    centroids, features = unit_rows(3, 6), unit_rows(8, 6, seed=1)
    labels = torch.tensor([0, 0, 2, 0, 2, 2, 0, 2])
    memory = ClusterMemory(centroids.clone())
    memory.update(features, labels, momentum=0.1, hard=True)
    for label in (0, 2):
        of_class = features[labels == label]
        hardest = of_class[(of_class @ centroids[label]).argmin()]
        assert torch.allclose(
            memory.centroids[label], F.normalize(0.1 * centroids[label] + 0.9 * hardest, dim=0), atol=1e-6
        )
    assert torch.equal(memory.centroids[1], centroids[1])


def counts_of_positives(anchor: int, *, exclude_self: bool, draws: int = 6000) -> list[int]:
    drawn = draw_positives(LABELS, torch.full((draws,), anchor), exclude_self=exclude_self, generator=rng())
    return drawn.bincount(minlength=len(LABELS)).tolist()


@pytest.mark.parametrize(("exclude_self", "members"), [(True, [0, 5, 8]), (False, [0, 2, 5, 8])])
def test_positives_are_uniform_over_the_cluster_of_the_anchor(exclude_self, members):
    counts = counts_of_positives(2, exclude_self=exclude_self)
    assert [row for row, count in enumerate(counts) if count] == members
    expected = 6000 / len(members)
    chi_square = sum((counts[row] - expected) ** 2 / expected for row in members)
    assert chi_square < 20  # 3 degrees of freedom at most: p < .001 lies at 16.3


def test_only_the_lone_member_of_a_cluster_is_its_own_positive():
    anchors = torch.tensor([6, 0, 1, 4] * 50)
    drawn = draw_positives(LABELS, anchors, exclude_self=True, generator=rng())
    assert torch.equal(drawn == anchors, anchors == 6)
    assert torch.equal(LABELS[drawn], LABELS[anchors])


def test_noise_has_no_positives():
    with pytest.raises(ValueError, match="noise has no positives"):
        draw_positives(LABELS, torch.tensor([0, 3]), exclude_self=True, generator=rng())


@settings(deadline=None, max_examples=60)
@given(
    labels=st.lists(st.integers(-1, 3), min_size=1, max_size=20),
    count=st.integers(1, 25),
    seed=st.integers(0, 1000),
)
def test_negatives_have_other_labels_and_are_as_many_as_asked_for_or_there_are(labels, count, seed):
    labels = torch.tensor(labels)
    indices = torch.arange(len(labels))
    mask = negative_mask(labels, indices, count=count, generator=rng(seed))
    for row in range(len(labels)):
        others = labels != labels[row]
        assert not (mask[row] & ~others).any()
        assert mask[row].sum() == min(count, int(others.sum()))


def test_negatives_include_noise_and_are_uniform_over_all_candidates():
    draws = 4000
    mask = negative_mask(LABELS, torch.full((draws,), 1), count=3, generator=rng())
    counts = mask.sum(0).tolist()
    candidates = [row for row, label in enumerate(LABELS.tolist()) if label != 1]
    assert counts[1] == counts[4] == 0
    expected = draws * 3 / len(candidates)
    assert all(abs(counts[row] - expected) < 6 * expected**0.5 for row in candidates)


def test_anchors_of_a_batch_draw_different_negatives():
    mask = negative_mask(torch.arange(200), torch.tensor([0, 1]), count=50, generator=rng())
    assert not torch.equal(mask[0], mask[1])


def test_equal_generators_draw_equal_positives_and_negatives():
    anchors = torch.tensor([0, 2, 5])
    for draw in (
        lambda g: draw_positives(LABELS, anchors, exclude_self=True, generator=g),
        lambda g: negative_mask(LABELS, anchors, count=2, generator=g),
    ):
        assert torch.equal(draw(rng(3)), draw(rng(3)))
