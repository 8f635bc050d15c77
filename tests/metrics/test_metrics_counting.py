"""How many gallery pictures come before one: by sorting, and by the definition in plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.metrics import counting
from gcl_cli.metrics.counting import Parts, People, count_before


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


def counted(distances, known, parts, rows, columns):
    everywhere, inside = count_before(distances, Parts.of(known, parts), rows, columns)
    return everywhere.tolist(), inside.tolist()


@settings(max_examples=150, deadline=None)
@given(problem=problems(), sorted_at_once=st.sampled_from([1, 50, 1 << 20]))
def test_counts_equal_the_definition(problem, sorted_at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "SORTED_AT_ONCE", sorted_at_once)
        assert counted(*problem) == by_definition(*problem)


def test_people_are_found_in_rows_and_strangers_are_not():
    rows, places = People.of(np.array([7, 3, 7, 5])).entries(np.array([7, 4, 3, -1]))
    assert (rows.tolist(), places.tolist()) == ([0, 0, 2], [0, 2, 1])
