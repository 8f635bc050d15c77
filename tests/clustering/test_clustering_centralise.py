"""Mutual nearest neighbours of other cameras, added: by hand, against loops, and how long the lists are."""

import numpy as np
import pytest
import torch
from clustering_written_out import clustered_features
from torch.overrides import TorchFunctionMode

from gcl_cli.clustering import neighbours
from gcl_cli.clustering.centralise import LONGEST, centralise, list_length, mutual_ranks
from gcl_cli.clustering.neighbours import nearest_elsewhere


def on_circle(*degrees: float) -> torch.Tensor:
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack((angle.cos(), angle.sin()), dim=1)


def lists_by_a_loop(features: torch.Tensor, cameras: torch.Tensor, k: int) -> list[list[int]]:
    found = []
    for i in range(len(features)):
        others = [j for j in range(len(features)) if j != i and (cameras[i] == -1 or cameras[j] != cameras[i])]
        others.sort(key=lambda j: (-float(features[i] @ features[j]), j))
        found.append(others[:k] + [-1] * (k - len(others[:k])))
    return found


def centralised_by_a_loop(features: torch.Tensor, cameras: torch.Tensor, k: int) -> torch.Tensor:
    lists, rows = lists_by_a_loop(features, cameras, k), []
    for i, own in enumerate(lists):
        total = features[i].clone()
        for j in own:
            if j >= 0 and i in lists[j]:
                total += features[j]
        rows.append(total / total.norm())
    return torch.stack(rows)


CAMERAS = {
    "known": torch.arange(60) % 3,
    "unknown": torch.full((60,), -1),
    "some unknown": torch.tensor([-1, 4, 4, 2, -1, 9] * 10),
    "uneven": torch.tensor([5] * 57 + [1, 1, 0]),
    "one": torch.full((60,), 7),
}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("block", [1 << 24, 400])
@pytest.mark.parametrize("cameras", CAMERAS.values(), ids=CAMERAS)
def test_lists_and_sums_are_those_of_a_loop(cameras, block, compiled, monkeypatch):
    monkeypatch.setattr(neighbours, "_SIMILARITIES", block)
    loops = neighbours.compiled_loops
    monkeypatch.setattr(neighbours, "compiled_loops", lambda _: loops(10**6) if compiled else None)
    features = clustered_features(60, people=6, seed=3)
    for k in (1, 4, 8):
        assert nearest_elsewhere(features, cameras, k=k).tolist() == lists_by_a_loop(features, cameras, k)
        expected = centralised_by_a_loop(features, cameras, k)
        found = centralise(features, cameras, k=k)
        assert torch.allclose(found.features, expected, atol=1e-12) and found.k == k


def test_mutual_neighbours_by_hand():
    """0 and 20 degrees choose each other, 200 and 230 too; 50 is nearest to 20, which has chosen already."""
    cameras = torch.tensor([0, 1, 2, 0, 1])
    found = centralise(on_circle(0, 20, 50, 200, 230), cameras, k=1)
    assert torch.allclose(found.features, on_circle(10, 10, 50, 215, 215))
    assert found.added == pytest.approx(4 / 5)


def test_a_camera_is_never_its_own_neighbour_and_pictures_alone_stay_as_they_are():
    features = on_circle(0, 1, 2, 90)
    assert torch.equal(centralise(features, torch.tensor([3, 3, 3, 3]), k=2).features, features)
    joined = centralise(features, torch.tensor([3, 3, 3, 8]), k=1).features
    assert torch.allclose(joined, on_circle(0, 1, 46, 46))


def test_ranks_are_the_later_of_both_places_and_of_mutual_pairs_alone():
    nearest = np.array([[1, 2], [2, 0], [1, -1], [0, 1]])
    assert mutual_ranks(nearest).toarray().tolist() == [[0, 2, 0, 0], [2, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def perfect(people: int, pictures: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Everybody far from everybody else; a person's pictures, each from a camera of its own, in an order of chance."""
    generator = torch.Generator().manual_seed(seed)
    person = torch.eye(people, dtype=torch.float64).repeat_interleave(pictures, 0)
    noise = 0.1 * torch.randn(len(person), 40, generator=generator, dtype=torch.float64)
    features = torch.nn.functional.normalize(torch.cat([person, noise], 1), dim=1)
    return features, torch.arange(pictures).repeat(people)


@pytest.mark.parametrize("pictures", [2, 3, 5, 8, 9])
def test_where_people_are_told_apart_lists_are_as_long_as_they_have_pictures_elsewhere(pictures):
    features, cameras = perfect(40, pictures)
    found = centralise(features, cameras)
    assert found.k == pictures - 1 and found.added > 0.9 * found.k


def test_otherwise_the_length_is_the_last_before_six_in_ten_are_mutual():
    features, cameras = clustered_features(90, people=10, seed=5, spread=2.0), torch.arange(90) % 4
    nearest = nearest_elsewhere(features, cameras, k=LONGEST)
    shares = []
    for k in range(1, LONGEST + 1):
        lists = [set(own) for own in nearest[:, :k].tolist()]
        shares.append(sum(i in lists[j] for i, own in enumerate(lists) for j in own) / (90 * k))
    assert 0.6 < max(shares) < 0.85
    first = next((k for k, share in enumerate(shares, start=1) if share > 0.6), LONGEST + 1)
    assert list_length(nearest, mutual_ranks(nearest)) == max(1, first - 1)
    assert centralise(features, cameras).k == max(1, first - 1)


def test_the_search_holds_no_more_than_its_block_of_similarities(monkeypatch):
    class LargestTensor(TorchFunctionMode):
        numbers = 0

        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                self.numbers = max(self.numbers, result.numel())
            return result

    monkeypatch.setattr(neighbours, "_SIMILARITIES", 64_000)
    features = clustered_features(1000, people=20, seed=2)
    with LargestTensor() as largest:
        nearest_elsewhere(features, torch.arange(1000) % 4, k=8)
    assert largest.numbers == 64 * 750  # the first camera's rows against all others
