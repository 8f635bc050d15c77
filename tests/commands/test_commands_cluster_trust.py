"""How far `gcl cluster` says that clusters can be trusted: what features say, and the scale of chances."""

import numpy as np
import pytest
import torch

from gcl_cli.clustering.cohesion import cohesion
from gcl_cli.clustering.pseudo_labels import asked_distance, cluster_distance
from gcl_cli.commands.cluster.colours import MOST, alike_in_colours
from gcl_cli.commands.cluster.evidence import Pairs, groups_of, halves, likeness, nearest_pairs, split_evidence
from gcl_cli.commands.cluster.maps import Line, Map, Scale
from gcl_cli.commands.cluster.scale import RELIABILITY, RELIABILITY_WITH_COLOURS, SCALE, SCALE_WITH_COLOURS
from gcl_cli.commands.cluster.trust import Facts, facts, in_short, raw_figures, trust
from gcl_cli.config import ClusterSettings


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, dtype=float)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# --- what features say ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("between", "within", "strange", "wanted"),
    [(0.5, 0.9, 0.1, 0.5), (0.9, 0.9, 0.1, 1.0), (0.1, 0.9, 0.1, 0.0), (0.0, 0.5, 0.4, -1.0), (0.9, 0.5, 0.5, 2.0)],
)
def test_likeness_is_where_two_groups_stand_between_strangers_and_themselves(between, within, strange, wanted):
    assert likeness(between, within, strange) == pytest.approx(wanted)


def test_groups_are_the_clusters_and_every_picture_in_none():
    features = unit([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1]])
    groups = groups_of(features, np.array([0, 0, -1, -1]))
    assert groups.clusters == 1 and groups.sizes.tolist() == [2, 1, 1]
    np.testing.assert_allclose(groups.means[0], features[:2].mean(axis=0))
    np.testing.assert_allclose(groups.within, np.sqrt(0.5))  # of the one pair; single pictures borrow it


def test_a_cluster_of_two_people_falls_into_them_and_one_of_one_person_does_not():
    one, two = [[10, 0, 0, 1], [10, 0, 1, 0], [10, 1, 0, 0]], [[0, 10, 0, 1], [0, 10, 1, 0], [1, 10, 0, 0]]
    third = [[0, 0, 10, 1], [1, 0, 10, 0], [0, 1, 10, 0]]
    features = unit([*one, *two, *third])
    mixed, labels = np.array([0] * 6 + [1] * 3), np.repeat([0, 1, 2], 3)
    alike, side = split_evidence(features, mixed, groups_of(features, mixed))
    assert alike[0] < 0.2 and side[:6].tolist() == [0.5] * 6
    assert set(halves(features[:6])[:3]) != set(halves(features[:6])[3:])
    alike, side = split_evidence(features, labels, groups_of(features, labels))
    assert (alike > 0.9).all() and sorted(set(side.round(3))) == [0.333, 0.667]


def test_a_large_cluster_falls_into_the_same_halves():
    rng = np.random.default_rng(0)
    features = unit(np.repeat(np.eye(6)[:2], 500, axis=0) + 0.1 * rng.standard_normal((1000, 6)))
    part = halves(features)
    assert len(set(part[:500])) == len(set(part[500:])) == 1 and part[0] != part[-1]


def test_the_likeness_of_nearest_groups_is_that_of_a_loop():
    rng = np.random.default_rng(3)
    features, labels = unit(rng.standard_normal((40, 5))), rng.integers(-1, 6, 40)
    groups = groups_of(features, labels)
    found = nearest_pairs(groups)
    cosines = groups.means @ groups.means.T
    for (a, b), value in zip(found.ends.tolist(), found.likeness, strict=True):
        nearest = [sorted((g for g in range(len(cosines)) if g != x), key=lambda g: -cosines[x, g]) for x in (a, b)]
        among = [[g for g in near if g < groups.clusters] for near in nearest]  # clusters look among clusters as well
        own = max(a, b) < groups.clusters and (b in among[0][:3] or a in among[1][:3])
        assert own or b in nearest[0][:3] or a in nearest[1][:3]
        strange = sum(
            next(cosines[x, g] for g in near if g not in (a, b)) for x, near in zip((a, b), nearest, strict=True)
        )
        within = (groups.within[[a, b]] * groups.sizes[[a, b]]).sum() / groups.sizes[[a, b]].sum()
        assert value == pytest.approx(float(likeness(cosines[a, b], within, strange / 2)))
    assert len({tuple(pair) for pair in found.ends.tolist()}) == len(found.ends)


def test_how_alike_colours_are_is_the_mean_of_all_pairs_in_units_of_the_most_alike_clusters():
    rng = np.random.default_rng(4)
    colours, labels = unit(rng.standard_normal((40, 6)) + 1), np.append(rng.integers(-1, 5, 39), 5)
    alike, own = alike_in_colours(colours, labels)
    cosines = colours @ colours.T
    members = [np.flatnonzero(labels == cluster) for cluster in range(6)]
    plain = [np.mean([cosines[a, b] for a in rows for b in rows if a != b]) for rows in members[:5]]
    most = np.quantile(plain, MOST)
    assert alike == pytest.approx([*(np.array(plain) / most), 1.0])  # a picture on its own is as alike as that
    for row in np.flatnonzero((labels >= 0) & (labels < 5)):
        others = [other for other in members[labels[row]] if other != row]
        assert own[row] == pytest.approx(cosines[row, others].mean() / most)
    assert own[-1] == 1.0 and np.isnan(own[labels < 0]).all()


def test_colours_disbelieve_a_cluster_that_only_the_encoder_believes():
    """Two people whom the encoder was taught to take for one: their features agree, their clothes do not."""
    rng = np.random.default_rng(5)
    features = unit(np.repeat(np.eye(12)[:6], 8, axis=0) + 0.02 * rng.standard_normal((48, 12)))
    labels, who = np.repeat(np.arange(6), 8), np.repeat(np.arange(6), 8)
    who[4:8] = 6
    clothes = unit(unit(rng.standard_normal((7, 32)))[who] + 0.2 * unit(rng.standard_normal((48, 32))))
    rows = torch.from_numpy(features).float()
    held = cohesion(asked_distance(rows, settings=ClusterSettings(k1=6)), labels)
    believed, doubted = (
        trust(facts(features, labels, held, cameras=False, colours=colours), labels, held.doubt)
        for colours in (None, clothes)
    )
    assert doubted.pure[0] < believed.pure[0] / 2
    assert doubted.pure[0] < doubted.pure[1:].min() and doubted.two[0] > doubted.two[1:].max()
    assert doubted.confidence[:8].max() < doubted.confidence[8:].min()


# --- the scale --------------------------------------------------------------------------------------------------------


def test_a_map_weighs_and_reads_off():
    chance = Map((2.0, -1.0), 1.0, (0.0, 10.0), (0.1, 0.6))
    assert chance(np.array([[2, 1], [-5, 0], [50, 0]])).tolist() == pytest.approx([0.3, 0.1, 0.6])


def test_a_line_sets_a_figure_right_and_says_where_it_lies():
    double = Line(share=False, bias=np.log(2), slope=1.0, low=-np.log(2), high=np.log(3))
    assert double(5.0) == pytest.approx((10, 5, 30))
    share = Line(share=True, bias=0.0, slope=1.0, low=-np.log(4), high=np.log(4))
    assert share(0.5) == pytest.approx((0.5, 0.2, 0.8))


def flat(value: float) -> Map:
    return Map((0.0,), 0.0, (0.0, 1.0), (value, value))


@pytest.mark.parametrize(("shared", "people", "recall"), [(0.0, 1.0, 1.0), (0.5, 2 / 3, 0.5), (1.0, 0.5, 1 / 3)])
def test_people_precision_and_recall_add_up(shared, people, recall):
    """Two pure clusters of two: each picture has one other of its person there, and `shared` of the other two."""
    features = unit([[1, 0.1], [1, 0.1], [0.1, 1], [0.1, 1]])
    groups = groups_of(features, np.array([0, 0, 1, 1]))
    known = Facts(groups, np.zeros((2, 1)), np.zeros(4), Pairs(np.array([[0, 1]]), np.zeros(1)))
    line = Line(False, 0.0, 1.0, 0.0, 0.0)
    scale = Scale(flat(1), flat(0), flat(1), (flat(shared),) * 3, flat(shared), line, line, line)
    assert raw_figures(known, scale) == pytest.approx((people, 1.0, recall))


@pytest.mark.parametrize("scale", [SCALE, SCALE_WITH_COLOURS], ids=["features", "colours"])
def test_the_maps_rise_and_are_never_sure(scale):
    for one in (scale.pure, scale.two, scale.right, *scale.shared, scale.same):
        assert list(one.x) == sorted(one.x) and list(one.y) == sorted(one.y)
        assert one.y[0] > 0 and one.y[-1] < 1


@pytest.mark.parametrize("measured", [RELIABILITY, RELIABILITY_WITH_COLOURS], ids=["features", "colours"])
def test_on_sets_that_were_left_out_chances_came_true_and_ranges_held(measured):
    for row in measured["chances"]:
        assert row["calibration_error"] < 0.1 and (row["cases"] < 100 or abs(row["expected"] - row["true"]) < 0.15), row
    assert all(row["in_range"] > 0.75 for row in measured["ranges"])


def people(noise: float, seed: int, number: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Features of eight pictures of each of some people, and who they are."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(number), 8)
    return unit(unit(rng.standard_normal((number, 32)))[who] + noise * unit(rng.standard_normal((8 * number, 32)))), who


def test_what_is_expected_of_people_made_of_numbers_falls_with_the_truth():
    expected, true, right, sure = [], [], [], []
    for seed, noise in enumerate((0.5, 0.5, 1.7)):
        features, who = people(noise, seed)
        rows = torch.from_numpy(features).float()
        settings = ClusterSettings(radius=0.5, k1=20)
        distance = asked_distance(rows, settings=settings)
        labels = cluster_distance(distance, rows, settings=settings).labels
        held = cohesion(distance, labels)
        found = trust(facts(features, labels, held, cameras=True), labels, held.doubt)
        together = (labels[:, None] == labels) & (labels >= 0) & ~np.eye(len(labels), dtype=bool)
        true.append((who[:, None] == who)[together].mean())
        expected.append(found.precision.about)
        most = np.array([np.bincount(who[labels == c]).argmax() for c in range(labels.max() + 1)])
        right += (most[labels] == who)[labels >= 0].tolist()
        sure += found.confidence[labels >= 0].tolist()
        assert found.people.low <= found.people.about <= found.people.high
        assert np.isnan(found.confidence[labels < 0]).all()
        said = in_short(found, np.arange(labels.max() + 1) + 100)
        assert said["people"]["from"] <= said["people"]["to"] and all(n >= 100 for n in said["hold_two_people"])
    assert min(true[:2]) > 0.95 > true[2] and min(expected[:2]) > 0.9 > expected[2], (expected, true)
    right, sure = np.array(right), np.array(sure)
    assert right[sure > 0.8].mean() > 0.95 > 0.85 > right[sure < 0.8].mean()
