import numpy as np
import pytest
import torch
from clustering_written_out import clustered_features
from torch.overrides import TorchFunctionMode

from gcl_cli.clustering.neighbours import labels_of_nearest, nearest_neighbours
from gcl_cli.errors import GclError


def on_circle(*degrees: float) -> torch.Tensor:
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack((angle.cos(), angle.sin()), dim=1)


def test_neighbours_on_a_circle_come_nearest_first_with_self_in_front():
    assert nearest_neighbours(on_circle(0, 10, 30, 180), k=3).tolist() == [[0, 1, 2], [1, 0, 2], [2, 1, 0], [3, 2, 1]]


@pytest.mark.parametrize("chunk", [1, 7, 50, 1024])
def test_neighbours_equal_a_full_sort_whatever_the_chunk(chunk):
    features = clustered_features(50, people=5, seed=1)
    distance = torch.cdist(features, features).numpy()
    np.fill_diagonal(distance, -1)
    assert np.array_equal(
        nearest_neighbours(features, k=9, chunk=chunk), np.argsort(distance, axis=1, kind="stable")[:, :9]
    )


def test_every_picture_is_its_own_first_neighbour_among_duplicates():
    nearest = nearest_neighbours(on_circle(20, 20, 20, 20, 90, 90), k=4)
    assert nearest[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert nearest[:4].tolist() == [[0, 1, 2, 3], [1, 0, 2, 3], [2, 0, 1, 3], [3, 0, 1, 2]]


def test_more_neighbours_than_pictures_are_refused():
    with pytest.raises(GclError, match="5 neighbours were asked for among 4 pictures"):
        nearest_neighbours(on_circle(0, 10, 20, 30), k=5)


def test_the_search_holds_no_more_than_one_chunk_of_similarities():
    class LargestTensor(TorchFunctionMode):
        numbers = 0

        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                self.numbers = max(self.numbers, result.numel())
            return result

    features = clustered_features(1000, people=20, seed=2)
    with LargestTensor() as largest:
        nearest_neighbours(features, k=10, chunk=64)
    assert largest.numbers == 64 * 1000


@pytest.mark.parametrize("chunk", [1, 2, 1024])
def test_a_picture_without_a_label_takes_that_of_the_nearest_that_has_one(chunk):
    features, labels = on_circle(0, 5, 30, 50, 90, 200), np.array([0, -1, -1, 1, -1, -1])
    assert labels_of_nearest(features, labels, chunk=chunk).tolist() == [0, 0, 1, 1, 1, 1]
    assert labels.tolist() == [0, -1, -1, 1, -1, -1]


def test_labels_stay_where_every_picture_has_one():
    assert labels_of_nearest(on_circle(0, 5, 9), np.array([1, 0, 1])).tolist() == [1, 0, 1]
