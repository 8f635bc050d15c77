import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.clustering import reranking
from gcl_cli.clustering.reranking import reranked_distances


def unit(count, width, seed, kind=torch.float64):
    """Rows in clumps, so that neighbours are mutual."""
    rng = torch.Generator().manual_seed(seed)
    centres = torch.randn(max(1, count // 5), width, generator=rng, dtype=torch.float64)
    rows = centres[torch.randint(len(centres), (count,), generator=rng)]
    rows = rows + 0.5 * torch.randn(count, width, generator=rng, dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=1).to(kind)


def dense(query, gallery, k1, k2, weight):
    """The published steps on whole matrices: lists, their reciprocal parts, their expansion, Jaccard, mixture."""
    everyone = np.concatenate([query, gallery]).astype(np.float64)
    size = len(everyone)
    squared = np.maximum(2 - 2 * everyone @ everyone.T, 0)
    distance = squared / squared.max(axis=1, keepdims=True)
    ordered = squared - 10 * np.eye(size)  # itself first
    order = np.argsort(ordered, axis=1, kind="stable")

    def mutual(i, length):
        return {j for j in order[i, : length + 1] if i in order[j, : length + 1]}

    weights = np.zeros((size, size))
    for i in range(size):
        own = mutual(i, k1)
        members = set(own)
        for q in own:
            other = mutual(q, round(k1 / 2))
            if len(other & own) > 2 / 3 * len(other):
                members |= other
        chosen = sorted(members)
        weights[i, chosen] = np.exp(-distance[i, chosen])
        weights[i] /= weights[i].sum()
    weights = np.stack([weights[order[i, :k2]].mean(axis=0) for i in range(size)])
    found = np.empty((len(query), len(gallery)))
    for q in range(len(query)):
        for g in range(len(gallery)):
            one, two = weights[q], weights[len(query) + g]
            jaccard = 1 - np.minimum(one, two).sum() / np.maximum(one, two).sum()
            found[q, g] = (1 - weight) * jaccard + weight * distance[q, len(query) + g]
    return found


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 12), st.integers(3, 40), st.integers(2, 12), st.integers(1, 6), st.floats(0, 1),
    st.integers(0, 2**31),
)  # fmt: skip
def test_sparse_re_ranking_equals_the_dense_formulation(queries, pictures, k1, k2, weight, seed):
    rows = unit(queries + pictures, 6, seed)
    k1, k2 = min(k1, len(rows) - 1), min(k2, k1)
    found = reranked_distances(rows[:queries], rows[queries:], k1=k1, k2=k2, original_weight=weight)
    expected = dense(rows[:queries].numpy(), rows[queries:].numpy(), k1, k2, weight)
    np.testing.assert_allclose(found(torch.arange(queries)), expected, atol=1e-9)


def test_in_single_precision_at_the_published_settings_it_is_within_a_millionth():
    rows = unit(300, 32, 0)
    expected = dense(rows[:60].numpy(), rows[60:].numpy(), 20, 6, 0.3)
    found = reranked_distances(rows[:60].float(), rows[60:].float(), k1=20, k2=6, original_weight=0.3)
    np.testing.assert_allclose(found(torch.arange(60)), expected, atol=1e-6)


def test_blocks_of_any_size_and_any_choice_of_rows_give_the_same(monkeypatch):
    rows, chosen = unit(90, 8, 1), {"k1": 8, "k2": 3, "original_weight": 0.3}
    whole = reranked_distances(rows[:30], rows[30:], **chosen)(torch.arange(30))
    monkeypatch.setattr(reranking, "_BLOCK_DISTANCES", 7 * 90)
    some = torch.tensor([17, 3, 29])
    np.testing.assert_allclose(
        reranked_distances(rows[:30], rows[30:], **chosen)(some), whole[some.numpy()], atol=1e-12
    )


def test_with_lambda_one_the_order_is_the_original_one():
    rows = unit(120, 16, 2)
    found = reranked_distances(rows[:20], rows[20:], k1=10, k2=4, original_weight=1.0)(torch.arange(20))
    assert (np.argsort(found, axis=1) == np.argsort(-(rows[:20] @ rows[20:].T).numpy(), axis=1)).all()
    # and it is the squared distance as a share of the query's largest
    squared = (2 - 2 * rows[:20] @ rows.T).numpy()
    np.testing.assert_allclose(found, squared[:, 20:] / squared.max(axis=1, keepdims=True), atol=1e-12)


def test_a_neighbour_of_neighbours_overtakes_a_stranger_as_far_away():
    # on a circle: the query at 0, a chain of its own people on one side, and a lone stranger nearer on the other
    angles = torch.tensor([0.0, 0.15, 0.3, 0.45, -0.44, 2.0, 2.1, 2.2, 2.3], dtype=torch.float64)
    rows = torch.stack([angles.cos(), angles.sin()], dim=1)
    plain = (rows[:1] @ rows[1:].T)[0]
    assert plain[3] > plain[2]
    found = reranked_distances(rows[:1], rows[1:], k1=3, k2=2, original_weight=0.3)(torch.arange(1))[0]
    assert found[2] < found[3]


@pytest.mark.parametrize("k1", [1, 5, 30])
def test_lists_longer_than_the_set_are_cut(k1):
    rows = unit(6, 4, 3)
    found = reranked_distances(rows[:2], rows[2:], k1=k1, k2=k1, original_weight=0.3)(torch.arange(2))
    assert found.shape == (2, 4) and np.isfinite(found).all() and (found >= 0).all() and (found <= 1 + 1e-12).all()


def test_a_set_of_equal_pictures_is_no_division_by_zero():
    rows = torch.ones(5, 4) / 2
    found = reranked_distances(rows[:2], rows[2:], k1=2, k2=1, original_weight=0.3)(torch.arange(2))
    assert np.isfinite(found).all()
