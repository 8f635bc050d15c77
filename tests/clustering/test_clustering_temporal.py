"""Times between cameras and the joint distance: by hand, against plain loops, and their properties."""

import math

import numpy as np
import pytest
import torch
from clustering_written_out import clustered_features

from gcl_cli.clustering import temporal
from gcl_cli.clustering.temporal import (
    Sightings,
    TimeDistribution,
    joint_distance,
    joint_distance_blocks,
    joint_distance_rows,
    smoothed,
    time_distribution,
    time_histograms,
    time_probability,
)


def sightings(cameras, times, slots=None) -> Sightings:
    return Sightings(torch.tensor(cameras), torch.tensor(times), None if slots is None else torch.tensor(slots))


def written_out_histograms(labels, camera, times, *, cameras: int, bins: int, width: int) -> np.ndarray:
    counts = np.zeros((cameras, cameras, bins))
    for cluster in set(labels.tolist()):
        seen = {c: times[(labels == cluster) & (camera == c)] for c in range(cameras)}
        for a in range(cameras):
            for b in range(a + 1, cameras):
                if len(seen[a]) and len(seen[b]):
                    first, second = seen[a].mean(), seen[b].mean()
                    if first >= second:
                        counts[a, b, math.floor((first - second) / width)] += 1
                    else:
                        counts[b, a, math.floor((second - first) / width)] += 1
            if len(seen[a]) > 1:
                for time in seen[a]:
                    counts[a, a, (time - seen[a].min()) // width] += len(seen[a])
    return counts


def written_out_distance(cosine: float, p: float) -> float:
    return 1 - 1 / (1 + math.exp(-5 * cosine)) * 1 / (1 + 2 * math.exp(-5 * p))


def test_histograms_by_hand():
    # cluster 0: camera 0 at 100 and 300 (mean 200), camera 1 at 650; cluster 1: both cameras at 40, a tie
    labels, camera = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 0, 1])
    found = time_histograms(labels, camera, np.array([100, 300, 650, 40, 40]), cameras=2, bins=6, width=100)
    expected = np.zeros((2, 2, 6))
    expected[1, 0, 4] = 1  # 450 frames later
    expected[0, 1, 0] = 1  # the tie, once
    expected[0, 0, 0] = expected[0, 0, 2] = 2  # two pictures count twice each
    assert (found == expected).all()


def test_histograms_equal_the_definition_in_plain_loops():
    rng = np.random.default_rng(0)
    labels, camera = rng.integers(7, size=80), rng.integers(3, size=80)
    times = rng.integers(2000, size=80)
    sizes = {"cameras": 3, "bins": 21, "width": 100}
    assert (
        time_histograms(labels, camera, times, **sizes) == written_out_histograms(labels, camera, times, **sizes)
    ).all()


def test_one_count_becomes_a_gaussian_that_sums_to_one_and_ends_at_150_bins():
    counts = np.zeros((1, 1, 1000))
    counts[0, 0, 500] = 1
    smooth = smoothed(counts)[0, 0]
    assert smooth.sum() == pytest.approx(1, abs=1e-5)
    assert smooth[500] == pytest.approx(1 / (50 * math.sqrt(2 * math.pi)), rel=0.01)
    assert smooth[550] / smooth[500] == pytest.approx(math.exp(-0.5), rel=1e-4)
    assert smooth[350] > 0 and smooth[349] == 0 and smooth[650] > 0 and smooth[651] == 0


def test_bins_near_zero_keep_their_whole_weight():
    counts = np.zeros((1, 1, 300))
    counts[0, 0, 0] = 5
    assert smoothed(counts).sum() == pytest.approx(1, abs=1e-5)


def test_cameras_that_shared_nobody_have_probability_zero():
    assert not smoothed(np.zeros((2, 2, 10))).any()


def test_noise_says_nothing():
    seen = sightings([1, 2, 1, 2], [0, 500, 0, 30_000])
    labels = np.array([0, 0, -1, -1])
    alone = time_distribution(np.array([0, 0]), seen[:2])
    found = time_distribution(labels, seen)
    assert found.probability[1, 0].argmax() == alone.probability[1, 0].argmax() == 5
    assert found.probability[1, 0, 250:].sum() == 0


def test_bins_reach_the_longest_span_of_market_which_3000_do_not():
    # camera 1's sixth sequence begins at 371,060, with frames up to 56,361 (algorithms of JVTC, checked offsets)
    seen = sightings([1, 1, 2], [1, 371_060 + 56_361, 1000])
    distribution = time_distribution(np.array([0, 0, 0]), seen)
    assert distribution.probability.shape == (2, 2, 4276)
    assert time_probability(distribution, seen[1:2], seen[0:1]).item() > 0


def test_probability_is_looked_up_with_the_later_camera_first():
    probability = torch.arange(2 * 2 * 3, dtype=torch.float32).view(2, 2, 3)
    distribution = TimeDistribution(torch.tensor([4, 9]), probability, 100)
    found = time_probability(distribution, sightings([4, 9], [150, 0]), sightings([9, 4, 9], [0, 399, 700]))
    # camera 4 at 150 after camera 9 at 0: bin 1 of [4, 9]; before camera 4 at 399: bin 2 of [4, 4]; 700: beyond
    assert found.tolist() == [[probability[0, 1, 1], probability[0, 0, 2], 0], [probability[1, 1, 0], 0, 0]]


def test_unknown_cameras_and_other_slots_have_probability_zero():
    distribution = TimeDistribution(torch.tensor([1, 3]), torch.ones(2, 2, 5), 1)
    cameras, slots = [1, 2, 3, 4, 0], [0, 0, 1, 1, 0]
    seen = sightings(cameras, [0] * 5, slots)
    found = time_probability(distribution, seen, seen)
    known = torch.tensor([True, False, True, False, False])
    same_slot = torch.tensor(slots)[:, None] == torch.tensor(slots)
    assert torch.equal(found > 0, known[:, None] & known & same_slot)


def test_msmt_times_have_bins_of_one_and_the_span_of_the_longest_slot():
    seen = sightings([1, 2, 1, 2], [5, 45, 1000, 1010], [0, 0, 1, 1])
    distribution = time_distribution(np.array([0, 0, 1, 1]), seen)
    assert distribution.bin_width == 1 and distribution.probability.shape == (2, 2, 41)


def test_joint_distance_by_hand():
    assert joint_distance(torch.zeros(1), torch.zeros(1)).item() == pytest.approx(1 - 1 / 2 * 1 / 3, abs=1e-6)
    assert joint_distance(torch.ones(1), torch.ones(1)).item() == pytest.approx(written_out_distance(1, 1), abs=1e-6)


def test_joint_distance_falls_with_similarity_and_with_probability():
    steps = torch.linspace(0, 1, 11, dtype=torch.float64)
    assert (joint_distance(steps * 2 - 1, torch.full_like(steps, 0.004)).diff() < 0).all()
    assert (joint_distance(torch.full_like(steps, 0.3), steps).diff() < 0).all()


def test_joint_distance_of_pictures_equals_the_formula_pair_by_pair():
    features = clustered_features(12, people=3, seed=0).float()
    rng = np.random.default_rng(1)
    seen = sightings(rng.integers(1, 4, 12).tolist(), rng.integers(0, 3000, 12).tolist())
    distribution = time_distribution(rng.integers(3, size=12), seen)
    found = joint_distance_rows(features, seen, distribution).rows(0, 12)
    for i in range(12):
        for j in range(12):
            later, earlier = (i, j) if seen.times[i] >= seen.times[j] else (j, i)
            places = [int((distribution.cameras == seen.cameras[k]).nonzero()) for k in (later, earlier)]
            gap = int(seen.times[later] - seen.times[earlier]) // 100
            p = float(distribution.probability[places[0], places[1], gap])
            expected = written_out_distance(float(features[i] @ features[j]), p)
            assert found[i, j].item() == pytest.approx(expected, abs=1e-6)
    assert torch.allclose(found, found.T, atol=1e-6)


def test_query_blocks_are_the_rows_of_the_whole_distance(monkeypatch):
    features = clustered_features(12, people=3, seed=0).float()
    seen = sightings([1, 2, 3] * 4, list(range(0, 1200, 100)))
    distribution = time_distribution(np.arange(12) % 4, seen)
    whole = joint_distance_rows(features, seen, distribution).rows(0, 12)
    monkeypatch.setattr(temporal, "ENTRIES_AT_ONCE", 14)  # two queries against seven gallery pictures
    parts = list(joint_distance_blocks(features[:5], features[5:], seen[:5], seen[5:], distribution))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert np.allclose(np.concatenate(parts), whole[:5, 5:], atol=1e-6)
