"""MMCL's labels and loss: by hand, against plain loops, and their properties."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from gcl_cli.losses.multi_label import multi_label, predict_labels


def unit_rows(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(shape, generator=generator, dtype=torch.float64), dim=-1)


def grouped_rows(seed: int, spread: float) -> Tensor:
    """Twenty-four unit rows in four dimensions, in six groups of four: some similar, some not."""
    centres, noise = unit_rows(6, 4, seed=seed), unit_rows(24, 4, seed=seed + 1)
    return normalize(centres.repeat_interleave(4, 0) + spread * noise, dim=1)


def memory_with(similarities: list[list[float]]) -> Tensor:
    """Unit rows whose products are these similarities."""
    return torch.linalg.cholesky(torch.tensor(similarities, dtype=torch.float64))


def looped_labels(memory: Tensor, index: int, threshold: float, candidates: int) -> set[int]:
    """Section 3.3 of MMCL as it is told: walk, stop at the first rank that is too large, cut."""
    similarities = (memory @ memory.T).tolist()
    order = [sorted(range(len(row)), key=lambda j, row=row: (-row[j], j)) for row in similarities]
    above = sum(s > threshold for s in similarities[index])
    reach = max(above, candidates)
    last = 1
    for place, neighbour in enumerate(order[index][:reach]):
        if order[neighbour].index(index) > reach:
            break
        last = max(last, place)
    return {index, *order[index][: min(last + 1, above)]}


FOUR = [  # the nearest of each, itself first: 0 1 2 3, 1 0 2 3, 2 1 3 0, 3 2 1 0
    [1.00, 0.90, 0.70, 0.10],
    [0.90, 1.00, 0.75, 0.20],
    [0.70, 0.75, 1.00, 0.72],
    [0.10, 0.20, 0.72, 1.00],
]


@pytest.mark.parametrize(
    ("threshold", "candidates", "expected"),
    [
        (0.60, 1, [{0, 1, 2}, {0, 1, 2}, {0, 1, 2, 3}, {2, 3}]),  # 2 ranks 0 at 3, which is k = n: kept
        (0.71, 1, [{0, 1}, {0, 1, 2}, {1, 2, 3}, {2, 3}]),  # 0.70 is below now, whatever the ranks
        (0.80, 1, [{0, 1}, {0, 1}, {2}, {3}]),
        (0.95, 3, [{0}, {1}, {2}, {3}]),
    ],
)
def test_labels_by_hand(threshold, candidates, expected):
    found = predict_labels(memory_with(FOUR), torch.arange(4), threshold=threshold, candidates=candidates)
    assert [set(row.nonzero().flatten().tolist()) for row in found] == expected


def test_the_walk_stops_at_the_first_neighbour_that_has_others_nearer():
    # 0's neighbours in order: 1, 2, 3; four pictures (4 to 7) are all nearer to 2 than 0 is, so 2 ranks 0 at 5.
    similarities = torch.full((8, 8), 0.9, dtype=torch.float64).triu(1)
    similarities[:4] = torch.tensor([
        [0.00, 0.75, 0.72, 0.68, 0.45, 0.45, 0.45, 0.45],
        [0.00, 0.00, 0.55, 0.50, 0.30, 0.30, 0.30, 0.30],
        [0.00, 0.00, 0.00, 0.40, 0.73, 0.73, 0.73, 0.73],
        [0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00],
    ])  # fmt: skip
    memory = memory_with((similarities + similarities.T + torch.eye(8)).tolist())
    (found,) = predict_labels(memory, torch.tensor([0]), threshold=0.6, candidates=3)
    assert found.nonzero().flatten().tolist() == [0, 1]  # n = 4, so k = 4
    (wider,) = predict_labels(memory, torch.tensor([0]), threshold=0.6, candidates=5)
    assert wider.nonzero().flatten().tolist() == [0, 1, 2, 3]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    spread=st.floats(0.1, 1.5),
    threshold=st.floats(-0.2, 0.95),
    candidates=st.integers(1, 12),
)
def test_labels_equal_the_walk_in_plain_loops(seed, spread, threshold, candidates):
    memory = grouped_rows(seed, spread)
    indices = torch.tensor([0, 5, 5, 11, 23])
    found = predict_labels(memory, indices, threshold=threshold, candidates=candidates)
    for row, index in zip(found, indices.tolist(), strict=True):
        assert set(row.nonzero().flatten().tolist()) == looped_labels(memory, index, threshold, candidates)


def test_a_picture_the_memory_does_not_know_yet_has_its_own_label_alone():
    memory = torch.cat([torch.zeros(1, 4, dtype=torch.float64), unit_rows(9, 4, seed=0)])
    found = predict_labels(memory, torch.tensor([0]), threshold=0.6, candidates=10)
    assert found.nonzero().tolist() == [[0, 0]]


def test_labels_do_not_depend_on_the_order_of_the_pictures():
    memory, order = grouped_rows(3, 0.8), torch.randperm(24, generator=torch.Generator().manual_seed(0))
    straight = predict_labels(memory, torch.arange(24), threshold=0.5, candidates=4)
    shuffled = predict_labels(memory[order], torch.arange(24), threshold=0.5, candidates=4)
    assert torch.equal(shuffled, straight[order][:, order])


def test_loss_by_hand():
    # positives .5 and 1: mean of .25 and 0; negatives -1, .2 and 0, of which one (40 % of three) counts: 1.2 ^ 2
    similarities = torch.tensor([[0.5, -1.0, 1.0, 0.2, 0.0]])
    labels = torch.tensor([[True, False, True, False, False]])
    loss = multi_label(similarities, labels, positive_weight=5.0, hard_share=0.4)
    assert loss.item() == pytest.approx(5 * 0.125 + 1.44)


def looped_loss(similarities: Tensor, labels: Tensor, weight: float, share: float) -> float:
    total = 0.0
    for row, own in zip(similarities.tolist(), labels.tolist(), strict=True):
        positives = [(1 - s) ** 2 for s, label in zip(row, own, strict=True) if label]
        others = sorted((s for s, label in zip(row, own, strict=True) if not label), reverse=True)
        hard = [(1 + s) ** 2 for s in others[: max(1, int(share * len(others)))]]
        total += weight * sum(positives) / len(positives) + (sum(hard) / len(hard) if hard else 0)
    return total / len(similarities)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.sampled_from((0.01, 0.1, 0.25, 0.5, 1.0)), weight=st.floats(0, 10))
def test_loss_equals_the_formula_in_plain_loops(seed, share, weight):
    draw = torch.Generator().manual_seed(seed)
    similarities = 2 * torch.rand(4, 30, generator=draw, dtype=torch.float64) - 1
    labels = torch.rand(4, 30, generator=draw) < torch.tensor([0.0, 0.1, 0.6, 1.1])[:, None]
    labels[:, 7] = True
    loss = multi_label(similarities, labels, positive_weight=weight, hard_share=share)
    assert loss.item() == pytest.approx(looped_loss(similarities, labels, weight, share), rel=1e-9)


def test_loss_is_zero_at_the_ideal_alone():
    labels = torch.tensor([[True, False, False]])
    ideal = torch.tensor([[1.0, -1.0, -1.0]])
    assert multi_label(ideal, labels, positive_weight=5.0, hard_share=0.5).item() == 0
    assert multi_label(0.9 * ideal, labels, positive_weight=5.0, hard_share=0.5).item() > 0


def test_only_positives_and_the_hardest_negatives_have_gradients():
    similarities = torch.tensor([[0.3, 0.9, -0.2, 0.1, 0.5]], requires_grad=True)
    labels = torch.tensor([[True, False, False, False, False]])
    multi_label(similarities, labels, positive_weight=5.0, hard_share=0.5).backward()
    assert similarities.grad.ne(0).tolist() == [[True, True, False, False, True]]


def test_gradient_of_the_loss():
    draw = torch.Generator().manual_seed(0)
    similarities = (2 * torch.rand(3, 12, generator=draw, dtype=torch.float64) - 1).requires_grad_()
    labels = torch.zeros(3, 12, dtype=torch.bool)
    labels[:, :2] = True
    assert torch.autograd.gradcheck(lambda s: multi_label(s, labels, positive_weight=5.0, hard_share=0.3), similarities)
