import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from clustering_written_out import clustered_features, to_dense
from sklearn.cluster import DBSCAN

from gcl_cli.clustering import jaccard, kernels, neighbours
from gcl_cli.clustering.approximate import approximate_neighbours
from gcl_cli.clustering.density import dbscan
from gcl_cli.clustering.jaccard import distance_of_overlaps, jaccard_distance
from gcl_cli.clustering.neighbours import nearest_neighbours
from gcl_cli.clustering.radius import percentile_radius
from gcl_cli.clustering.ram import clustering_bytes, pictures_that_fit
from gcl_cli.errors import GclError


@pytest.fixture(params=["plain python", "numba"])
def loops(request, monkeypatch):
    """The inner loops for every size: as numba compiles them where it is installed, and as python runs them."""
    if request.param == "plain python":

        def undecorated(**_):
            return lambda function: function

        monkeypatch.setitem(sys.modules, "numba", SimpleNamespace(njit=undecorated))
        monkeypatch.delitem(sys.modules, "gcl_cli.clustering.compiled", raising=False)
    from importlib import import_module

    found = import_module("gcl_cli.clustering.compiled")
    for room in (jaccard, neighbours):
        monkeypatch.setattr(room, "compiled_loops", lambda _: found)
    yield found
    sys.modules.pop("gcl_cli.clustering.compiled", None)


@pytest.mark.parametrize("size", [40, 150])
def test_the_inner_loops_give_the_same_bits_as_numpy(loops, monkeypatch, size):
    features = clustered_features(size, people=size // 8, seed=size).float()
    with_loops = jaccard_distance(features, k1=10, k2=3)
    lists = nearest_neighbours(features, k=10, chunk=32)
    for room in (jaccard, neighbours):
        monkeypatch.setattr(room, "compiled_loops", lambda _: None)
    without = jaccard_distance(features, k1=10, k2=3)
    assert np.array_equal(lists, nearest_neighbours(features, k=10))
    for column in ("indptr", "indices", "values"):
        one, other = getattr(with_loops, column), getattr(without, column)
        assert one.dtype == other.dtype and np.array_equal(one, other)


def test_loops_are_compiled_only_where_that_pays():
    assert kernels.compiled_loops(kernels.WORTH_COMPILING - 1) is None
    assert (kernels.compiled_loops(kernels.WORTH_COMPILING) is None) == (not find_spec("numba"))


@pytest.mark.parametrize("size", [200, 600, 1100])
def test_labels_equal_dense_scikit_learn_at_several_sizes(size):
    distance = jaccard_distance(clustered_features(size, people=size // 12, seed=size).float(), k1=20, k2=6)
    radius = percentile_radius(distance, rho=0.02)
    expected = DBSCAN(eps=radius, min_samples=4, metric="precomputed").fit_predict(to_dense(distance))
    assert expected.max() > 3
    assert np.array_equal(dbscan(distance, radius=radius, min_samples=4), expected)


@pytest.mark.parametrize("chunk", [7, 50, 64, 1000])
def test_neighbours_do_not_depend_on_the_size_of_the_blocks(chunk):
    features = clustered_features(200, people=10, seed=0)
    expected = nearest_neighbours(features, k=12)
    assert np.array_equal(nearest_neighbours(features, k=12, chunk=chunk), expected)


def test_features_never_leave_their_device_as_a_whole(monkeypatch):
    moved = []
    to_cpu = torch.Tensor.cpu

    def watched(tensor):
        moved.append(tuple(tensor.shape))
        return to_cpu(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", watched)
    jaccard_distance(clustered_features(90, people=9, seed=0, dimension=33), k1=8, k2=3)
    assert moved and all(33 not in shape for shape in moved)


def test_the_estimate_grows_with_everything_and_says_what_fits():
    needed = clustering_bytes(12_936, dimension=2048, k1=30)
    assert needed < clustering_bytes(12_936, dimension=2048, k1=60)
    assert needed < clustering_bytes(12_936, dimension=4096, k1=30)
    fitting = pictures_that_fit(needed, dimension=2048, k1=30)
    assert 12_930 <= fitting <= 12_936
    assert clustering_bytes(fitting, dimension=2048, k1=30) <= needed


def test_approximate_neighbours_without_faiss_are_refused(monkeypatch):
    monkeypatch.setattr("gcl_cli.clustering.approximate.find_spec", lambda _: None)
    with pytest.raises(GclError, match="needs the library faiss") as caught:
        approximate_neighbours(torch.eye(4), k=2)
    assert caught.value.fix == "pip install faiss-cpu"


def test_approximate_neighbours_of_few_cells_are_the_exact_ones():
    features = clustered_features(400, people=30, seed=1).float()  # 10 cells, all of them searched
    assert np.array_equal(approximate_neighbours(features, k=9), nearest_neighbours(features, k=9))


def test_every_list_of_approximate_neighbours_is_full_and_begins_with_the_picture_itself():
    features = torch.cat((clustered_features(2000, people=2, seed=1, spread=0.1), torch.eye(32).repeat(4, 1))).float()
    found = approximate_neighbours(features, k=40)
    assert (found[:, 0] == np.arange(len(features))).all()
    assert found.min() >= 0 and all(len(set(row)) == 40 for row in found.tolist())


def test_overlaps_of_a_matrix_without_shared_columns_are_none():
    from scipy.sparse import csr_array

    assert len(distance_of_overlaps(csr_array(np.eye(5))).values) == 0


def test_what_is_found_for_some_pictures_does_not_depend_on_the_others():
    features = clustered_features(900, people=60, seed=4)
    rows = torch.tensor([5, 899, 17, 300])
    some, everyone = approximate_neighbours(features, k=10, rows=rows), approximate_neighbours(features, k=10)
    np.testing.assert_array_equal(some, everyone[rows.numpy()])
