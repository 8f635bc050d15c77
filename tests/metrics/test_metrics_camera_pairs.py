from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.errors import GclError
from gcl_cli.metrics.camera_pairs import CameraPairs
from gcl_cli.metrics.ranking import rank, rank_blocks


def table(distances, query, gallery, *, rows=2, convention="open-reid"):
    distances = np.array(distances, dtype=np.float32)
    query, gallery = np.array(query), np.array(gallery)
    labels = (query[:, 0], query[:, 1], gallery[:, 0], gallery[:, 1])
    blocks, pairs = [distances[i : i + rows] for i in range(0, len(distances), rows)], CameraPairs()
    with suppress(GclError):  # no query has a match at all
        rank_blocks(blocks, *labels, max_rank=1, average_precision=convention, pairs=pairs)
    return pairs.table(convention)


def test_hand_worked_example():
    # query of camera 1. In camera 2: a stranger, then its person: AP 1/2. In camera 3: its person first: AP 1.
    gallery = [(1, 3), (5, 2), (1, 2), (5, 3), (1, 1), (-1, 2)]
    found = table([[0.1, 0.2, 0.3, 0.4, 0.0, 0.0]], [(1, 1)], gallery)
    assert found == [
        {"query_camera": 1, "gallery_camera": 2, "mAP": 50.0, "rank_1": 0.0, "queries": 1},
        {"query_camera": 1, "gallery_camera": 3, "mAP": 100.0, "rank_1": 100.0, "queries": 1},
    ]


def test_unknown_cameras_belong_to_no_pair():
    assert table([[0.1, 0.2]], [(1, -1)], [(1, 2), (1, 1)]) == []
    assert table([[0.1, 0.2]], [(1, 1)], [(1, -1), (2, 2)]) == []


@st.composite
def problems(draw):
    queries, pictures = draw(st.integers(1, 7)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    distances = rng.integers(0, draw(st.sampled_from([3, 1000])), (queries, pictures)).astype(np.float32)
    query = np.stack([rng.integers(-1, 4, queries), rng.integers(-1, 4, queries)], axis=1)
    gallery = np.stack([rng.integers(-1, 4, pictures), rng.integers(-1, 4, pictures)], axis=1)
    return distances, query, gallery


@settings(max_examples=100, deadline=None)
@given(problems(), st.sampled_from(["open-reid", "market"]))
def test_a_pair_is_the_ranking_of_that_cameras_queries_in_that_cameras_gallery(problem, convention):
    distances, query, gallery = problem
    expected = []
    for asked in range(4):
        for searched in range(4):
            rows, columns = query[:, 1] == asked, gallery[:, 1] == searched
            if asked == searched or not rows.any() or not columns.any():
                continue
            labels = (query[rows, 0], query[rows, 1], gallery[columns, 0], gallery[columns, 1])
            try:
                found = rank(distances[rows][:, columns], *labels, max_rank=1, average_precision=convention)
            except GclError:  # nobody is seen by both
                continue
            expected.append((asked, searched, 100 * found.mean_average_precision, 100 * found.cmc[0]))
    found = [tuple(row.values())[:4] for row in table(*problem, convention=convention)]
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    np.testing.assert_allclose([row[2:] for row in found], [row[2:] for row in expected], rtol=1e-12)


def test_pairs_change_nothing_of_the_ranking():
    rng = np.random.default_rng(0)
    distances = rng.random((20, 60))
    labels = [rng.integers(1, 6, 20), rng.integers(0, 3, 20), rng.integers(-1, 6, 60), rng.integers(0, 3, 60)]
    chosen = {"max_rank": 5, "average_precision": "open-reid"}
    pairs = CameraPairs()
    with_pairs = rank_blocks([distances[:11], distances[11:]], *labels, **chosen, pairs=pairs)
    plain = rank(distances, *labels, **chosen)
    np.testing.assert_array_equal(with_pairs.average_precision, plain.average_precision)
    mean = sum(row["queries"] for row in pairs.table("open-reid"))
    assert mean == pytest.approx(sum(len({c for p, c in zip(labels[2], labels[3], strict=True)
                                          if p == person and c != camera})
                                     for person, camera in zip(labels[0], labels[1], strict=True)))  # fmt: skip
