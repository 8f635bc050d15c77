"""The prototype contrast of mixed pictures: by hand, against plain loops, and its gradient."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from gcl_cli.losses.contrast import cluster_contrast, mixed_cluster_contrast


def unit_rows(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(shape, generator=generator, dtype=torch.float64), dim=-1)


def looped(features: Tensor, centroids: Tensor, targets: list[dict[int, float]], t: float) -> float:
    """The cross-entropy with soft targets, picture by picture and cluster by cluster."""
    total = 0.0
    for feature, target in zip(features, targets, strict=True):
        weights = [math.exp(float((feature * centroid).sum()) / t) for centroid in centroids]
        for cluster, share in target.items():
            total -= share * math.log(weights[cluster] / sum(weights))
    return total / len(targets)


def test_mixed_contrast_by_hand() -> None:
    # similarities 0.6 and 0.8, t = 0.5, 3/4 of the target at 1: 0.75 log(1 + e^-0.4) + 0.25 log(1 + e^0.4)
    loss = mixed_cluster_contrast(
        torch.tensor([[0.6, 0.8]]), torch.eye(2), torch.tensor([1]), torch.tensor([0]), share=0.75, temperature=0.5
    )
    assert loss.item() == pytest.approx(0.613015, abs=1e-6)


def test_mixed_contrast_equals_the_formula_in_plain_loops() -> None:
    features, centroids = unit_rows(3, 4, seed=0), unit_rows(5, 4, seed=1)
    own, partner = torch.tensor([4, 0, 2]), torch.tensor([1, 0, 3])
    loss = mixed_cluster_contrast(features, centroids, own, partner, share=0.7, temperature=0.05)
    targets = [{4: 0.7, 1: 0.3}, {0: 1.0}, {2: 0.7, 3: 0.3}]  # the second is mixed with one of its own cluster
    assert loss.item() == pytest.approx(looped(features, centroids, targets, 0.05), rel=1e-12)


@given(st.integers(0, 10_000), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_mixed_contrast_is_never_negative_and_turns_with_the_shares(seed: int, share: float) -> None:
    features, centroids = unit_rows(2, 4, seed=seed), unit_rows(3, 4, seed=seed + 1)
    own, partner = torch.tensor([0, 1]), torch.tensor([1, 2])
    loss = mixed_cluster_contrast(features, centroids, own, partner, share=share, temperature=0.2)
    turned = mixed_cluster_contrast(features, centroids, partner, own, share=1 - share, temperature=0.2)
    assert loss >= 0
    torch.testing.assert_close(loss, turned)


def test_a_share_of_one_is_the_plain_contrast_of_clusters() -> None:
    features, centroids, own = unit_rows(3, 4, seed=0), unit_rows(5, 4, seed=1), torch.tensor([4, 0, 2])
    mixed = mixed_cluster_contrast(features, centroids, own, own.flip(0), share=1.0, temperature=0.3)
    torch.testing.assert_close(mixed, cluster_contrast(features, centroids, own, temperature=0.3))


def test_gradient_of_the_mixed_contrast() -> None:
    features, centroids = unit_rows(3, 4, seed=2).requires_grad_(), unit_rows(5, 4, seed=3)
    own, partner = torch.tensor([4, 0, 2]), torch.tensor([1, 0, 3])

    def loss(f: Tensor) -> Tensor:
        return mixed_cluster_contrast(f, centroids, own, partner, share=0.6, temperature=0.5)

    assert torch.autograd.gradcheck(loss, (features,))
