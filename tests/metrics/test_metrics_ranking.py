import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl_cli.errors import GclError
from gcl_cli.metrics import ranking
from gcl_cli.metrics.ranking import rank, rank_blocks, rank_features


def ranked(distances, query, gallery, *, max_rank=5, average_precision="open-reid"):
    """`rank` on lists of (person, camera)."""
    query, gallery = np.array(query), np.array(gallery)
    distances = np.array(distances, dtype=np.float32)
    labels = (query[:, 0], query[:, 1], gallery[:, 0], gallery[:, 1])
    return rank(distances, *labels, max_rank=max_rank, average_precision=average_precision)


def by_sorting(distances, query, gallery, max_rank, market):
    """The protocol as plain loops over a stable sort."""
    precisions, penalties, firsts = [], [], []
    for row, (person, camera) in zip(distances, query, strict=True):
        ranks, position = [], 0
        for column in np.argsort(row, kind="stable"):
            other, place = gallery[column]
            if other == -1 or (other == person and place == camera and camera != -1):
                continue
            position += 1
            if other == person:
                ranks.append(position)
        firsts.append(ranks[0] if ranks else 0)
        if not ranks:
            precisions.append(np.nan)
            continue
        terms = []
        for i, r in enumerate(ranks, start=1):
            old = 1.0 if r == 1 else (i - 1) / (r - 1)
            terms.append((old + i / r) / 2 if market else i / r)
        precisions.append(sum(terms) / len(terms))
        penalties.append(len(ranks) / ranks[-1])
    valid = [first for first in firsts if first]
    cmc = [sum(first <= k for first in valid) / len(valid) for k in range(1, max_rank + 1)]
    return precisions, cmc, np.mean(penalties), firsts


EXAMPLE = {
    "distances": [[0.1, 0.2, 0.3, 0.4, 0.5], [0.9, 0.8, 0.1, 0.7, 0.6]],
    "query": [(1, 1), (2, 1)],
    "gallery": [(5, 2), (1, 2), (2, 2), (1, 3), (5, 3)],
}


def test_hand_worked_example():
    # query 1: true matches at ranks 2 and 4: AP = (1/2 + 2/4) / 2 = 1/2, inverse penalty 2/4
    # query 2: its one true match comes first: AP = 1, inverse penalty 1
    result = ranked(**EXAMPLE)
    np.testing.assert_allclose(result.average_precision, [0.5, 1.0])
    assert result.mean_average_precision == pytest.approx(0.75)
    np.testing.assert_allclose(result.cmc, [0.5, 1, 1, 1, 1])
    assert result.mean_inverse_negative_penalty == pytest.approx(0.75)
    assert result.first_rank.tolist() == [2, 1]
    assert (result.valid_queries, result.skipped_queries) == (2, 0)


def test_hand_worked_example_with_the_average_precision_of_market1501():
    # query 1: ((0/1 + 1/2) / 2 + (1/3 + 2/4) / 2) / 2 = 1/3; query 2: (1 + 1) / 2 = 1
    result = ranked(**EXAMPLE, average_precision="market")
    np.testing.assert_allclose(result.average_precision, [1 / 3, 1.0])


@st.composite
def problems(draw):
    queries, pictures = draw(st.integers(1, 6)), draw(st.integers(1, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([2, 5, 1000]))  # few levels: many ties
    distances = rng.integers(0, levels, (queries, pictures)).astype(np.float32)
    query = np.stack([rng.integers(1, 4, queries), rng.integers(-1, 3, queries)], axis=1)
    gallery = np.stack([rng.integers(-1, 4, pictures), rng.integers(-1, 3, pictures)], axis=1)
    query[0], gallery[0] = (1, 0), (1, 1)  # somebody is found
    return distances, query, gallery


@settings(max_examples=200, deadline=None)
@given(problems(), st.booleans())
def test_counting_equals_plain_loops_over_a_stable_sort(problem, market):
    distances, query, gallery = problem
    result = ranked(*problem, average_precision="market" if market else "open-reid")
    precisions, cmc, penalty, firsts = by_sorting(distances, query, gallery, 5, market)
    np.testing.assert_allclose(result.average_precision, precisions, rtol=1e-12)
    np.testing.assert_allclose(result.cmc, cmc)
    assert result.mean_inverse_negative_penalty == pytest.approx(penalty)
    assert result.mean_average_precision == pytest.approx(np.nanmean(precisions))
    assert result.first_rank.tolist() == firsts


@settings(max_examples=100, deadline=None)
@given(problems())
def test_average_precision_of_market1501_is_never_larger(problem):
    first, second = ranked(*problem), ranked(*problem, average_precision="market")
    known = ~np.isnan(first.average_precision)
    assert (second.average_precision[known] <= first.average_precision[known] + 1e-12).all()


@settings(max_examples=100, deadline=None)
@given(problems(), st.integers(0, 2**32 - 1))
def test_distractors_never_raise_average_precision(problem, seed):
    distances, query, gallery = problem
    rng = np.random.default_rng(seed)
    more = rng.integers(0, 5, (len(query), 4)).astype(np.float32)
    with_more = np.concatenate([distances, more], axis=1)
    larger = np.concatenate([gallery, np.zeros((4, 2), dtype=int)])
    before, after = ranked(*problem), ranked(with_more, query, larger)
    known = ~np.isnan(before.average_precision)
    assert (after.average_precision[known] <= before.average_precision[known] + 1e-12).all()


def test_true_matches_under_the_own_camera_are_ignored():
    # the closest picture is of the same person and camera: neither a hit nor a miss
    result = ranked([[0.1, 0.2, 0.3]], [(1, 1)], [(1, 1), (1, 2), (7, 2)])
    assert result.first_rank.tolist() == [1]
    assert result.mean_average_precision == 1


def test_unknown_cameras_never_remove_a_picture():
    result = ranked([[0.1, 0.2, 0.3]], [(1, -1)], [(1, -1), (7, -1), (1, -1)])
    np.testing.assert_allclose(result.average_precision, [(1 + 2 / 3) / 2])


@given(problems())
def test_with_the_same_camera_all_are_ranked_as_if_no_camera_were_known(problem):
    distances, query, gallery = problem
    how = {"max_rank": 5, "average_precision": "open-reid"}
    found = []
    for same in (True, False):
        cameras = (query[:, 1], gallery[:, 1]) if same else (np.full(len(query), -1), np.full(len(gallery), -1))
        everyone = (query[:, 0], cameras[0], gallery[:, 0], cameras[1])
        try:
            found.append(rank_blocks([distances], *everyone, same_camera=same, **how))
        except GclError as error:
            found.append(error.problem)
    first, second = found
    if isinstance(first, str):
        assert first == second
    else:
        np.testing.assert_array_equal(first.average_precision, second.average_precision)
        np.testing.assert_array_equal(first.cmc, second.cmc)


def test_queries_without_a_match_are_skipped_and_not_counted():
    result = ranked([[0.1, 0.2], [0.1, 0.2], [0.2, 0.1]], [(1, 1), (2, 1), (3, 1)], [(1, 2), (2, 1)])
    assert (result.valid_queries, result.skipped_queries) == (1, 2)
    assert np.isnan(result.average_precision[1:]).all()
    assert result.mean_average_precision == 1
    assert result.cmc[0] == 1


def test_junk_is_removed_and_distractors_are_not():
    junk = ranked([[0.1, 0.2]], [(1, 1)], [(-1, 2), (1, 2)])
    distractor = ranked([[0.1, 0.2]], [(1, 1)], [(0, 2), (1, 2)])
    assert (junk.first_rank[0], distractor.first_rank[0]) == (1, 2)


def test_ties_go_to_the_earlier_gallery_picture():
    first = ranked([[0.5, 0.5]], [(1, 1)], [(1, 2), (9, 2)])
    second = ranked([[0.5, 0.5]], [(1, 1)], [(9, 2), (1, 2)])
    assert (first.first_rank[0], second.first_rank[0]) == (1, 2)


def test_no_valid_query_is_an_error():
    with pytest.raises(GclError, match="None of 1 queries"):
        ranked([[0.1]], [(1, 1)], [(1, 1)])


def test_distances_that_are_not_numbers_are_an_error_and_not_a_perfect_score():
    with pytest.raises(GclError, match="not numbers"):
        ranked([[np.nan, 0.1]], [(1, 1)], [(1, 2), (2, 2)])


def test_ranking_by_features_in_blocks_equals_ranking_by_distances(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    query, gallery = torch.randn(30, 16, generator=generator), torch.randn(80, 16, generator=generator)
    rng = np.random.default_rng(0)
    labels = [rng.integers(1, 6, 30), rng.integers(0, 3, 30), rng.integers(-1, 6, 80), rng.integers(0, 3, 80)]
    unit = torch.nn.functional.normalize
    distances = torch.cdist(unit(query.double()), unit(gallery.double())).numpy()
    expected = rank(distances, *labels, max_rank=10, average_precision="open-reid")
    monkeypatch.setattr(ranking, "BLOCK_DISTANCES", 7 * 80)
    monkeypatch.setattr(ranking, "BLOCK_QUERIES", 1)
    result = rank_features(3 * query, gallery, *labels, max_rank=10, average_precision="open-reid")
    np.testing.assert_allclose(result.average_precision, expected.average_precision)
    np.testing.assert_allclose(result.cmc, expected.cmc)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_the_gallery_does_not_matter_without_ties(seed):
    rng = np.random.default_rng(seed)
    distances = rng.permutation(5 * 30).reshape(5, 30).astype(np.float32)
    query = np.stack([rng.integers(1, 3, 5), rng.integers(0, 3, 5)], axis=1)
    gallery = np.stack([rng.integers(-1, 3, 30), rng.integers(0, 3, 30)], axis=1)
    query[0], gallery[0] = (1, 0), (1, 1)  # somebody is found
    order = rng.permutation(30)
    before = ranked(distances, query, gallery)
    after = ranked(distances[:, order], query, gallery[order])
    np.testing.assert_array_equal(before.average_precision, after.average_precision)
    np.testing.assert_array_equal(before.first_rank, after.first_rank)
    np.testing.assert_array_equal(before.inverse_negative_penalty, after.inverse_negative_penalty)


def test_both_conventions_are_told_whichever_is_chosen():
    # hand-worked above: 1/2 and 1 against 1/3 and 1
    for convention in ("open-reid", "market"):
        result = ranked(**EXAMPLE, average_precision=convention)
        assert result.mean_by_convention == pytest.approx({"open-reid": 0.75, "market": 2 / 3})
        assert result.mean_average_precision == pytest.approx(result.mean_by_convention[convention])


def test_the_inverse_negative_penalty_of_each_query_is_told():
    result = ranked([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]], [(1, 1), (4, 1)], [(1, 2), (5, 2), (1, 3)])
    np.testing.assert_array_equal(result.inverse_negative_penalty, [2 / 3, np.nan])
