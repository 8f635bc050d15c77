"""The local and the global loss of JVTC: by hand, against plain loops, and their properties."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from gcl_cli.losses.consistency import global_consistency, local_consistency, version_means


def embeddings(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dot(one: Tensor, other: Tensor) -> float:
    return sum(float(a) * float(b) for a, b in zip(one, other, strict=True))


def unit(row: Tensor) -> Tensor:
    return row / math.sqrt(dot(row, row))


def looped_local(z: Tensor, t: float) -> float:
    pictures, versions, _ = z.shape
    means = [unit(sum(z[i, k] for k in range(versions)) / versions) for i in range(pictures)]
    terms = []
    for i in range(pictures):
        for k in range(versions):
            scores = [math.exp(dot(unit(z[i, k]), mean) / t) for mean in means]
            terms.append(-math.log(scores[i] / sum(scores)))
    return sum(terms) / len(terms)


def looped_global(z: Tensor, memory: Tensor, clusters: list[set[int]], t: float) -> float:
    terms = []
    for i in range(len(z)):
        for k in range(z.shape[1]):
            scores = [math.exp(dot(unit(z[i, k]), row) / t) for row in memory]
            inside = [math.log(scores[j] / sum(scores)) for j in clusters[i]]
            terms.append(-sum(inside) / len(inside))
    return sum(terms) / len(terms)


def test_local_loss_by_hand() -> None:
    # two pictures, one version each, at a right angle: -log(e^2 / (e^2 + 1)) at t = 0.5, whatever their length
    z = torch.tensor([[[3.0, 0.0]], [[0.0, 0.5]]])
    assert local_consistency(z, temperature=0.5).item() == pytest.approx(math.log1p(math.exp(-2)), abs=1e-6)


def test_mean_of_versions_is_taken_before_their_length_is_dropped() -> None:
    z = torch.tensor([[[3.0, 0.0], [0.0, 1.0]]])
    assert torch.allclose(version_means(z), torch.tensor([[3.0, 1.0]]) / math.sqrt(10))


def test_local_loss_equals_the_formula_in_plain_loops() -> None:
    z = embeddings(4, 3, 5)
    assert local_consistency(z, temperature=0.1).item() == pytest.approx(looped_local(z, 0.1), rel=1e-12)


def test_global_loss_by_hand() -> None:
    # similarities 1 and 0, t = 1: to the own row alone log(1 + 1/e), to both rows half a nat more
    z, memory = torch.tensor([[[2.0, 0.0]]]), torch.eye(2)
    alone = global_consistency(z, memory, torch.tensor([[True, False]]), temperature=1.0)
    both = global_consistency(z, memory, torch.tensor([[True, True]]), temperature=1.0)
    assert alone.item() == pytest.approx(math.log1p(math.exp(-1)), abs=1e-6)
    assert both.item() == pytest.approx(math.log1p(math.exp(-1)) + 0.5, abs=1e-6)


def test_global_loss_equals_the_formula_in_plain_loops() -> None:
    z, memory = embeddings(3, 2, 5), normalize(embeddings(6, 5, seed=1), dim=1)
    clusters = [{0, 3, 5}, {1}, {2, 4}]
    members = torch.tensor([[j in cluster for j in range(6)] for cluster in clusters])
    loss = global_consistency(z, memory, members, temperature=0.2)
    assert loss.item() == pytest.approx(looped_global(z, memory, clusters, 0.2), rel=1e-12)


def test_pictures_without_a_cluster_do_not_count() -> None:
    z, memory = embeddings(3, 2, 5), normalize(embeddings(6, 5, seed=1), dim=1)
    members = torch.tensor([[True, False] * 3, [False] * 6, [False, True] * 3])
    loss = global_consistency(z, memory, members, temperature=0.2)
    kept = global_consistency(z[[0, 2]], memory, members[[0, 2]], temperature=0.2)
    assert loss.item() == pytest.approx(kept.item(), rel=1e-12)


def test_nobody_clustered_gives_zero_and_no_gradient() -> None:
    z = embeddings(3, 2, 5).requires_grad_()
    loss = global_consistency(z, embeddings(6, 5), torch.zeros(3, 6, dtype=torch.bool), temperature=0.2)
    loss.backward()
    assert loss.item() == 0 and z.grad is not None and not z.grad.any()


def test_losses_do_not_depend_on_the_length_of_single_versions_but_for_the_means() -> None:
    z, memory = embeddings(3, 2, 5), normalize(embeddings(6, 5, seed=1), dim=1)
    members = torch.eye(3, 6, dtype=torch.bool)
    scale = torch.tensor([1.0, 7.0], dtype=torch.float64)[None, :, None]
    one, other = (global_consistency(x, memory, members, temperature=0.2) for x in (z, z * scale))
    assert one.item() == pytest.approx(other.item(), rel=1e-12)
    assert local_consistency(z, temperature=0.2).item() == pytest.approx(
        local_consistency(z * 3, temperature=0.2).item(), rel=1e-12
    )


def test_gradients_are_those_of_the_values() -> None:
    z, memory = embeddings(3, 2, 4).requires_grad_(), normalize(embeddings(5, 4, seed=1), dim=1)
    members = torch.tensor([[True, True, False, False, False], [False] * 5, [False, False, True, False, True]])
    assert torch.autograd.gradcheck(lambda x: local_consistency(x, temperature=0.3), (z,))
    assert torch.autograd.gradcheck(lambda x: global_consistency(x, memory, members, temperature=0.3), (z,))
