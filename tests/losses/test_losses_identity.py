"""Losses of labelled batches: by hand, against plain loops, and their properties."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gcl_cli.losses.identity import batch_hard_triplets, smoothed_cross_entropy


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_smoothed_cross_entropy_by_hand():
    # softmax of (log 2, 0, 0) is 1/2, 1/4, 1/4; with smoothing .3 the target is .8, .1, .1
    scores = torch.tensor([[math.log(2), 0.0, 0.0]])
    loss = smoothed_cross_entropy(scores, torch.tensor([0]), smoothing=0.3)
    assert loss.item() == pytest.approx(0.8 * math.log(2) + 0.2 * math.log(4))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_cross_entropy_equals_the_formula_in_plain_loops(smoothing):
    scores, labels = drawn(5, 4, seed=0), [0, 3, 3, 1, 2]
    total = 0.0
    for row, label in zip(scores.tolist(), labels, strict=True):
        normaliser = math.log(sum(map(math.exp, row)))
        for person, score in enumerate(row):
            total -= ((1 - smoothing) * (person == label) + smoothing / 4) * (score - normaliser)
    loss = smoothed_cross_entropy(scores, torch.tensor(labels), smoothing=smoothing)
    assert loss.item() == pytest.approx(total / 5, rel=1e-12)


def test_triplets_by_hand():
    # On a line: 0, 1 and 3 are one person, 4 and 10 another. Picture 0: farthest own 3, nearest other 4.
    features = torch.tensor([[0.0], [1.0], [3.0], [4.0], [10.0]])
    found = batch_hard_triplets(features, torch.tensor([0, 0, 0, 1, 1]), margin=0.5)
    assert found.tolist() == pytest.approx([0.0, 0.0, 2.5, 5.5, 0.0], abs=1e-4)


def looped_triplets(features: Tensor, labels: list[int], margin: float) -> list[float]:
    terms = []
    for anchor, label in zip(features.tolist(), labels, strict=True):
        distances = [
            (math.dist(anchor, other), theirs) for other, theirs in zip(features.tolist(), labels, strict=True)
        ]
        others = [d for d, theirs in distances if theirs != label]
        farthest = max(d for d, theirs in distances if theirs == label)
        terms.append(max(0.0, margin + farthest - min(others)) if others else 0.0)
    return terms


@settings(max_examples=40, deadline=None)
@given(labels=st.lists(st.integers(0, 3), min_size=2, max_size=9), seed=st.integers(0, 10_000), margin=st.floats(0, 2))
def test_triplets_equal_the_formula_in_plain_loops(labels, seed, margin):
    features = drawn(len(labels), 3, seed=seed)
    found = batch_hard_triplets(features, torch.tensor(labels), margin=margin)
    # a picture alone under its label is at distance 0 from itself, up to the floor of 1e-6
    assert found.tolist() == pytest.approx(looped_triplets(features, labels, margin), abs=3e-6)


def test_far_people_cost_nothing_and_have_no_gradient():
    features = torch.tensor([[0.0, 0.0], [0.1, 0.0], [9.0, 0.0], [9.0, 0.1]], requires_grad=True)
    loss = batch_hard_triplets(features, torch.tensor([0, 0, 1, 1]), margin=0.5).mean()
    loss.backward()
    assert loss.item() == 0 and not features.grad.any()


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 0, 1], [0, 1, 2]])
def test_equal_pictures_and_missing_people_give_finite_gradients(labels):
    features = torch.ones(3, 4, requires_grad=True)
    batch_hard_triplets(features, torch.tensor(labels), margin=0.3).mean().backward()
    assert torch.isfinite(features.grad).all()


def test_gradient_of_the_triplets():
    features, labels = drawn(6, 3, seed=1).requires_grad_(), torch.tensor([0, 0, 1, 1, 2, 2])
    assert torch.autograd.gradcheck(lambda f: batch_hard_triplets(f, labels, margin=1.0).mean(), features)
