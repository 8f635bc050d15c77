"""How many gallery pictures come before one: by sorting, by machine code, and by the definition in plain loops."""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcl_cli.metrics import counting, kernels
from gcl_cli.metrics.camera_pairs import CameraPairs
from gcl_cli.metrics.counting import Parts, People, count_before
from gcl_cli.metrics.ranking import rank_blocks


@pytest.fixture(params=["plain python", "numba"])
def loops(request, monkeypatch):
    """The inner loop as numba compiles it where it is installed, and as python runs it."""
    if request.param == "numba":
        pytest.importorskip("numba")
    else:
        plain = SimpleNamespace(njit=lambda **_: lambda function: function)
        monkeypatch.setitem(sys.modules, "numba", plain)
        monkeypatch.delitem(sys.modules, "gcl_cli.metrics.compiled", raising=False)
    yield import_module("gcl_cli.metrics.compiled")
    sys.modules.pop("gcl_cli.metrics.compiled", None)


@st.composite
def problems(draw):
    """Distances [R, G] with many or few equals, some columns in parts, and entries of every row among these."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, pictures, cameras = draw(st.integers(1, 5)), draw(st.integers(1, 40)), draw(st.integers(1, 4))
    distances = rng.integers(0, draw(st.sampled_from([1, 3, 1000])), (rows, pictures))
    distances = distances.astype(draw(st.sampled_from([np.float32, np.float64])))
    known = np.flatnonzero(rng.random(pictures) < draw(st.sampled_from([0.5, 1.0])))
    parts = rng.integers(cameras, size=pictures)
    row, place = np.nonzero(rng.random((rows, len(known))) < draw(st.sampled_from([0.1, 0.6])))
    order = rng.permutation(len(row))
    order = order[np.argsort(row[order], kind="stable")]  # within a row in any order
    return distances, known, parts, row[order], known[place[order]]


def by_definition(distances, known, parts, rows, columns):
    """How many come before each entry among all, and within its part."""
    everywhere, inside = [], []
    for row, column in zip(rows, columns, strict=True):
        entry = (distances[row, column], column)
        before = [other for other in known if (distances[row, other], other) < entry]
        everywhere.append(len(before))
        inside.append(sum(parts[other] == parts[column] for other in before))
    return everywhere, inside


def counted(problem, loops):
    distances, known, parts, rows, columns = problem
    everywhere, inside = count_before(distances, Parts.of(known, parts), rows, columns, loops=loops)
    return everywhere.tolist(), inside.tolist()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problem=problems())
def test_counts_equal_the_definition(loops, problem):
    expected = by_definition(*problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "COMPARED", 1000)
        patch.setattr(loops, "STRETCH", 8)
        assert counted(problem, loops) == expected
        patch.setattr(counting, "SORTED_AT_ONCE", 50)
        assert counted(problem, None) == expected


@pytest.mark.parametrize("cameras", [1, 3])
def test_counts_over_several_stretches_equal_those_of_sorting(loops, cameras):
    rng = np.random.default_rng(0)
    size = 3 * loops.STRETCH // (1 if hasattr(loops.count_before, "signatures") else 64)
    distances = rng.integers(0, 5000, (2, size)).astype(np.float32)
    rows, columns = np.repeat([0, 1], 5), rng.integers(size, size=10)
    problem = distances, np.arange(size), rng.integers(cameras, size=size), rows, columns
    found = counted(problem, loops)
    assert found == counted(problem, None) == by_definition(*problem)


def test_figures_and_pairs_are_the_same_to_the_last_bit_with_and_without_machine_code(monkeypatch):
    compiled = pytest.importorskip("gcl_cli.metrics.compiled", reason="numba is not installed")
    rng = np.random.default_rng(1)
    labels = [rng.integers(-1, 30, 90), rng.integers(-1, 5, 90), rng.integers(-1, 30, 700), rng.integers(-1, 5, 700)]
    blocks = np.split(rng.integers(0, 400, (90, 700)).astype(np.float32), [13, 60])
    found = []
    for loops in (None, compiled):
        monkeypatch.setattr("gcl_cli.metrics.ranking.compiled_loops", lambda _, loops=loops: loops)
        pairs = CameraPairs()
        ranking = rank_blocks(blocks, *labels, max_rank=5, average_precision="market", pairs=pairs)
        found.append((ranking, pairs.table("market")))
    (one, some), (other, same) = found
    assert some == same and len(some) == 20
    for field in ("average_precision", "inverse_negative_penalty", "first_rank", "cmc"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_many_entries_are_sorted_and_few_compared():
    def compared(*_):
        raise ZeroDivisionError

    loops = SimpleNamespace(count_before=compared, STRETCH=4096)
    pictures = np.arange(200)
    few, many = pictures[: counting.COMPARED], pictures[: counting.COMPARED + 1]
    distances = np.zeros((1, 200), dtype=np.float32)
    with pytest.raises(ZeroDivisionError):
        counted((distances, pictures, np.zeros(200), np.zeros_like(few), few), loops)
    assert counted((distances, pictures, np.zeros(200), np.zeros_like(many), many), loops)[0] == many.tolist()


def test_people_are_found_in_rows_and_strangers_are_not():
    rows, places = People.of(np.array([7, 3, 7, 5])).entries(np.array([7, 4, 3, -1]))
    assert (rows.tolist(), places.tolist()) == ([0, 0, 2], [0, 2, 1])


def test_machine_code_is_used_where_it_pays_only(monkeypatch):
    loaded = bool(find_spec("numba"))
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    assert kernels.compiled_loops(kernels.WORTH_LOADING - 1) is None
    monkeypatch.setitem(sys.modules, "numba", sys)
    assert kernels.compiled_loops(kernels.WORTH_COMPILING - 1) is None
    monkeypatch.undo()
    assert (kernels.compiled_loops(kernels.WORTH_LOADING) is not None) == loaded
