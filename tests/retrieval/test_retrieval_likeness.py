"""What a similarity stands for: curves, thresholds, and the share of strangers that pass."""

import numpy as np
import pytest
from scipy.stats import beta

from gcl_cli.errors import GclError
from gcl_cli.retrieval import likeness
from gcl_cli.retrieval.likeness import Curve, Highest, fit_curve, highest, learn

SURE_LABELS = {"precision": 0.95, "recall": 0.95}


def test_chances_follow_the_prior():
    curve = Curve((0.0, 1.0), (0.2, 0.8), Highest((0.5,), 10))
    assert curve.chance(0.5, prior=0.5) == pytest.approx(0.5)
    assert curve.chance(2.0, prior=0.5) == pytest.approx(0.8)
    assert curve.chance(1.0, prior=0.1) == pytest.approx(4 / 9 / (1 + 4 / 9))  # odds of 4, times 1 to 9


def test_a_curve_is_logistic_in_the_spread_of_all_pairs():
    """Of -1 and 1 the mean is 0 and the spread 1: at the even point the odds are 1, a unit above it e to the slope."""
    curve = fit_curve(np.array([-1.0, 1.0]), np.zeros(3), slope=2.0, even=1.0)
    assert curve.chance(1.0, prior=0.5) == pytest.approx(0.5)
    assert curve.chance(2.0, prior=0.5) == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert curve.chance(8.0, prior=0.5) == pytest.approx(likeness.SURE) and curve.even() == pytest.approx(1.0)


def test_labels_that_are_expected_to_be_good_make_the_curve_steeper_and_ask_for_more():
    features, labels, _ = some_people()
    bad, good = (learn(features, labels, None, np.ones(40), precision=p, recall=p).curves["any"] for p in (0.2, 0.9))
    assert bad.even() < good.even()
    steepness = [np.max(np.diff(curve.y) / np.diff(curve.x)) for curve in (bad, good)]
    assert steepness[0] < steepness[1]


def test_strangers_within_a_cluster_are_as_many_as_it_is_expected_to_hold():
    """A cluster of purity 1/4 is taken for four people, who are six pairs: of those that may be strangers."""
    labels = np.repeat([0, 1], 60)
    together = likeness._pairs_together(labels, np.random.default_rng(0))
    of, pure = labels[together[:, 0]], np.array([0.25, 1.0])
    strange = np.where(together[:, 0] < 20, 1.0, 0.0)
    found = [
        likeness._strangers_within(together, of, strange, pure, np.random.default_rng(s))[:, 0] for s in range(200)
    ]
    assert np.mean([len(rows) for rows in found]) == pytest.approx(6, abs=0.6)
    assert max(rows.max(initial=0) for rows in found) < 20


@pytest.mark.parametrize(("rate", "accepted"), [(0.05, 5), (0.011, 1), (0.009, 0)])
def test_a_threshold_lets_pass_no_more_strangers_than_asked_for_and_says_how_sure_that_is(rate, accepted):
    found = highest(np.arange(100) / 100).threshold(rate)
    assert found.accepted == accepted == (np.arange(100) / 100 >= found.threshold).sum()
    low = 0.0 if accepted == 0 else beta.ppf(0.025, accepted, 100 - accepted + 1)  # Clopper and Pearson
    assert (found.low, found.high) == pytest.approx((low, beta.ppf(0.975, accepted + 1, 100 - accepted)))


def test_of_equal_strangers_all_are_kept_out():
    found = highest(np.array([0.9, 0.9, 0.9, 0.1])).threshold(0.25)
    assert found.accepted == 0 and found.threshold > 0.9


def test_a_search_of_a_larger_gallery_asks_for_more():
    known = likeness.Likeness({}, highest(np.arange(100) / 100), 100)
    assert known.threshold_of_search(0.1, 100).accepted == 10
    assert known.threshold_of_search(0.19, 200).accepted == 10  # 1 - (1 - .1) ** 2
    assert known.threshold_of_search(0.1, 50).accepted == 19  # 1 - (1 - .1) ** 2 is .19


def some_people(number: int = 40, pictures: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    labels, cameras = np.repeat(np.arange(number), pictures), np.tile(np.arange(1, 4), number * pictures // 3)
    features = rng.standard_normal((number, 16))[labels] + 0.5 * rng.standard_normal((len(labels), 16))
    return features / np.linalg.norm(features, axis=1, keepdims=True), labels, cameras


def test_cameras_with_enough_pairs_get_a_curve_of_their_own():
    features, labels, cameras = some_people()
    known = learn(features, labels, cameras, np.ones(40), **SURE_LABELS)
    assert set(known.curves) == {"any", "1-2", "1-3", "2-3"}  # 360 pairs of two cameras, 120 of one
    assert known.curve(2, 1)[0] == known.curve(1, 2)[0] == "1-2"
    assert known.curve(1, 1)[0] == known.curve(None, 2)[0] == known.curve(7, 8)[0] == "any"
    assert set(learn(features, labels, None, np.ones(40), **SURE_LABELS).curves) == {"any"}


def test_strangers_are_counted_once_for_two_people_and_two_cameras():
    features, labels, _ = some_people()
    known = learn(features, labels, None, np.ones(40), **SURE_LABELS)
    assert known.curves["any"].strangers.number == 40 * 39 / 2
    assert known.nearest.number == known.size == 360


def test_the_nearest_stranger_is_that_of_a_loop():
    features, labels, _ = some_people(6)
    labels[::5] = -1
    known = learn(features, labels, None, np.ones(6), **SURE_LABELS)
    wanted = [
        max(float(a @ b) for b, other in zip(features, labels, strict=True) if other not in (own, -1))
        for a, own in zip(features, labels, strict=True)
        if own >= 0
    ]
    assert sorted(known.nearest.cosines) == pytest.approx(sorted(wanted))


def test_people_who_differ_are_told_apart_and_the_share_of_strangers_is_the_one_asked_for():
    features, labels, _ = some_people(80)
    learned, tested = labels < 40, labels >= 40
    known = learn(features[learned], labels[learned], None, np.ones(40), **SURE_LABELS)
    curve = known.curves["any"]
    at = curve.strangers.threshold(0.05)
    rows = np.flatnonzero(tested)
    one, other = np.triu_indices(len(rows), 1)
    cosines = (features[rows[one]] * features[rows[other]]).sum(axis=1)
    same = labels[rows[one]] == labels[rows[other]]
    assert (cosines[~same] >= at.threshold).mean() < 0.1
    assert (cosines[same] >= at.threshold).mean() > 0.9
    assert curve.chance(float(np.median(cosines[same])), prior=0.5) > 0.9


def test_what_was_learned_is_read_as_it_was_written_and_of_that_encoder_alone(tmp_path, monkeypatch):
    features, labels, cameras = some_people()
    known = learn(features, labels, cameras, np.ones(40), **SURE_LABELS)
    folder = tmp_path / "cluster" / "main"
    folder.mkdir(parents=True)

    class Artifact:
        reference, config = "cluster/main", {"encoder": "warmup/main"}
        manifest = type("Manifest", (), {"inputs": {"dataset": "d", "warmup/main": "a"}})

    Artifact.folder = folder
    monkeypatch.setattr(likeness, "read_artifact", lambda work, reference: Artifact)
    with pytest.raises(GclError, match="earlier version") as error:
        likeness.read_likeness(None, "main", "warmup/main", {"warmup/main": "a"})
    assert error.value.fix == "Type: gcl cluster --encoder warmup/main --restart"
    likeness.write_likeness(folder, known)
    assert likeness.read_likeness(None, "main", "warmup/main", {"warmup/main": "a"}) == known
    with pytest.raises(GclError, match=r"with warmup/main, not with joint/main"):
        likeness.read_likeness(None, "main", "joint/main", {"joint/main": "b"})


@pytest.mark.parametrize(
    ("chances", "even"), [((0.2, 0.4, 0.8), 0.525), ((0.6, 0.7, 0.8), 0.1), ((0.1, 0.2, 0.3), None)]
)
def test_the_cosine_of_even_odds_lies_on_the_curve(chances, even):
    curve = likeness.Curve((0.1, 0.5, 0.6), chances, likeness.highest(np.zeros(1)))
    assert curve.even() == (even if even is None else pytest.approx(even))
