"""Contrasts: by hand, against plain loops, and their properties."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from gcl_cli.losses.contrast import cluster_contrast, joint_objective, negative_logsumexp, view_contrast


def unit_rows(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(shape, generator=generator, dtype=torch.float64), dim=-1)


def contrast(anchor: Tensor, positive: Tensor, pushed: Tensor, negatives: Tensor, *, temperature: float) -> Tensor:
    """The contrast of each anchor [B, D] with negatives of its own [B, K, D]."""
    count, each = negatives.shape[:2]
    mask = torch.eye(count, dtype=torch.bool).repeat_interleave(each, dim=1)  # [B, B * K]
    bank = negatives.flatten(0, 1)
    return view_contrast(
        anchor, positive, negative_logsumexp(pushed, bank, mask, temperature=temperature), temperature=temperature
    )


def three_terms(
    real: Tensor,
    synthetic: Tensor,
    positive: Tensor,
    own: Tensor,
    second: Tensor,
    negatives: Tensor,
    *,
    temperature: float,
) -> list[Tensor]:
    """Eq. 6, 7 and 8 over one sum of the negatives."""
    pairs = ((real, positive), (synthetic, own), (synthetic, second))
    return [view_contrast(*pair, negatives, temperature=temperature) for pair in pairs]


def test_view_contrast_by_hand() -> None:
    # anchor.positive = 0.6, pushed.negatives = 0.8 and 0, t = 0.5: -log(e^1.2 / (e^1.2 + e^1.6 + 1))
    anchor, positive = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
    pushed, negatives = torch.tensor([[0.0, 1.0]]), torch.tensor([[[0.6, 0.8], [1.0, 0.0]]])
    loss = contrast(anchor, positive, pushed, negatives, temperature=0.5)
    assert loss.item() == pytest.approx(1.027123, abs=1e-6)  # log(1 + (4.953032 + 1) / 3.320117)


def looped_view_contrast(anchor: Tensor, positive: Tensor, pushed: Tensor, negatives: Tensor, t: float) -> float:
    terms = []
    for b in range(len(anchor)):
        pull = math.exp(sum(float(x * y) for x, y in zip(anchor[b], positive[b], strict=True)) / t)
        push = 0.0
        for negative in negatives[b]:
            push += math.exp(sum(float(x * y) for x, y in zip(pushed[b], negative, strict=True)) / t)
        terms.append(-math.log(pull / (pull + push)))
    return sum(terms) / len(terms)


def test_view_contrast_equals_the_formula_in_plain_loops() -> None:
    anchor, positive, pushed = unit_rows(3, 4, 5, seed=0)
    negatives = unit_rows(4, 7, 5, seed=1)
    loss = contrast(anchor, positive, pushed, negatives, temperature=0.2)
    assert loss.item() == pytest.approx(looped_view_contrast(anchor, positive, pushed, negatives, 0.2), rel=1e-12)


def test_perfect_match_with_8192_orthogonal_negatives() -> None:
    feature, negatives = torch.eye(2)[:1], torch.eye(2)[1:].expand(1, 8192, 2)
    loss = contrast(feature, feature, feature, negatives, temperature=0.04)
    assert loss.item() == pytest.approx(1.14e-7, rel=5e-3)
    assert loss.item() == pytest.approx(math.log1p(8192 * math.exp(-25)), rel=1e-3)


@given(st.integers(0, 10_000), st.integers(0, 6), st.sampled_from([0.04, 0.2, 1.0]))
@settings(max_examples=40, deadline=None)
def test_view_contrast_is_never_negative_and_more_negatives_never_lower_it(seed: int, count: int, t: float) -> None:
    anchor, positive, pushed = unit_rows(3, 2, 4, seed=seed)
    negatives = unit_rows(2, count + 1, 4, seed=seed + 1)
    fewer = contrast(anchor, positive, pushed, negatives[:, :count], temperature=t)
    assert 0 <= fewer <= contrast(anchor, positive, pushed, negatives, temperature=t)


def test_terms_over_the_shared_sum_equal_the_three_equations() -> None:
    real, synthetic, bank_positive, self_positive, second = unit_rows(5, 3, 6, seed=2)
    bank = unit_rows(8, 6, seed=3)
    mask = torch.rand(3, 8, generator=torch.Generator().manual_seed(4)) < 0.6
    log_sum = negative_logsumexp(synthetic, bank, mask, temperature=0.1)
    terms = three_terms(real, synthetic, bank_positive, self_positive, second, log_sum, temperature=0.1)
    pairs = [(real, bank_positive), (synthetic, self_positive), (synthetic, second)]
    for term, (anchor, positive) in zip(terms, pairs, strict=True):
        rows = [slice(b, b + 1) for b in range(3)]
        each = [contrast(anchor[r], positive[r], synthetic[r], bank[mask[r][0]][None], temperature=0.1) for r in rows]
        torch.testing.assert_close(term, torch.stack(each).mean())


def test_without_negatives_each_term_and_each_gradient_is_zero() -> None:
    features = unit_rows(5, 2, 4, seed=0).requires_grad_()
    bank, mask = unit_rows(3, 4, seed=1), torch.zeros(2, 3, dtype=torch.bool)
    log_sum = negative_logsumexp(features[1], bank, mask, temperature=0.04)
    assert torch.isneginf(log_sum).all()
    terms = three_terms(*features, log_sum, temperature=0.04)
    assert [term.item() for term in terms] == [0, 0, 0]
    sum(terms).backward()
    assert features.grad is not None and torch.equal(features.grad, torch.zeros_like(features))


def test_a_picture_without_negatives_leaves_its_neighbours_gradient_alone() -> None:
    bank = unit_rows(3, 4, seed=1)
    mask = torch.tensor([[False, False, False], [True, False, True]])
    features = unit_rows(5, 2, 4, seed=0).requires_grad_()
    log_sum = negative_logsumexp(features[1], bank, mask, temperature=0.5)
    sum(three_terms(*features, log_sum, temperature=0.5)).backward()
    assert features.grad is not None and features.grad.isfinite().all()
    assert torch.equal(features.grad[:, 0], torch.zeros_like(features.grad[:, 0]))
    assert features.grad[:, 1].norm(dim=1).min() > 1e-3


def test_gradients_of_the_view_contrasts() -> None:
    inputs = [rows.clone().requires_grad_() for rows in unit_rows(3, 2, 3, seed=5)]
    negatives = unit_rows(2, 4, 3, seed=6).requires_grad_()
    assert torch.autograd.gradcheck(lambda *a: contrast(*a, temperature=0.3), (*inputs, negatives))
    bank, mask = unit_rows(4, 3, seed=7), torch.tensor([[True, False, True, True], [False, True, False, True]])

    def terms(*features: Tensor) -> tuple[Tensor, ...]:
        log_sum = negative_logsumexp(features[1], bank, mask, temperature=0.3)
        return tuple(three_terms(*features, log_sum, temperature=0.3))

    assert torch.autograd.gradcheck(terms, tuple(f.clone().requires_grad_() for f in unit_rows(5, 2, 3, seed=8)))


def test_the_real_feature_is_pulled_but_not_pushed() -> None:
    real, synthetic, positive = (rows.clone().requires_grad_() for rows in unit_rows(3, 2, 4, seed=9))
    contrast(real, positive.detach(), synthetic, unit_rows(2, 5, 4, seed=1), temperature=0.5).backward()
    assert real.grad is not None and synthetic.grad is not None and synthetic.grad.norm() > 0
    alignment = torch.cosine_similarity(real.grad, positive.detach())
    torch.testing.assert_close(alignment, -torch.ones(2, dtype=torch.float64))


def test_cluster_contrast_by_hand() -> None:
    # similarities 0.6 and 0.8, t = 0.5, label 1: log(1 + e^((0.6 - 0.8) / 0.5)) = 0.513015
    loss = cluster_contrast(torch.tensor([[0.6, 0.8]]), torch.eye(2), torch.tensor([1]), temperature=0.5)
    assert loss.item() == pytest.approx(0.513015, abs=1e-6)


def test_cluster_contrast_equals_the_formula_in_plain_loops() -> None:
    features, centroids, labels = unit_rows(3, 4, seed=0), unit_rows(5, 4, seed=1), torch.tensor([4, 0, 2])
    terms = []
    for feature, label in zip(features, labels.tolist(), strict=True):
        weights = [math.exp(float((feature * centroid).sum()) / 0.05) for centroid in centroids]
        terms.append(-math.log(weights[label] / sum(weights)))
    loss = cluster_contrast(features, centroids, labels, temperature=0.05)
    assert loss.item() == pytest.approx(sum(terms) / 3, rel=1e-12)
    features.requires_grad_()
    assert torch.autograd.gradcheck(lambda f: cluster_contrast(f, centroids, labels, temperature=0.5), (features,))


def test_cluster_contrast_of_a_single_cluster_is_zero() -> None:
    labels = torch.zeros(3, dtype=torch.int64)
    assert cluster_contrast(unit_rows(3, 4, seed=0), unit_rows(1, 4, seed=1), labels, temperature=0.05) == 0


def test_the_joint_objective_is_the_sum_of_its_terms_of_which_the_prototypes_have_a_weight() -> None:
    terms = {
        "gan": torch.tensor(7.5),
        "vi": torch.tensor(1.0),
        "vi_syn": torch.tensor(0.25),
        "vi_mem": torch.tensor(2.0),
    }
    assert joint_objective(terms) == 10.75
    assert joint_objective({"vi": torch.tensor(1.5)}) == 1.5
    assert joint_objective(terms | {"prototype": torch.tensor(4.0)}, prototype_weight=0.5) == 12.75
