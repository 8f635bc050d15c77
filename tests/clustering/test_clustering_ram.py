"""What clustering takes at its peak, in a process of its own, against what is told before."""

import json
import subprocess
import sys

import numpy as np
import pytest
from clustering_written_out import clustered_features
from own_peak import PEAK

from gcl_cli.clustering.jaccard import distance_of_overlaps, expanded_weights
from gcl_cli.clustering.neighbours import nearest_neighbours
from gcl_cli.clustering.ram import SAMPLED, expected_pairs

CLUSTERED = """
import ctypes, json, sys
import numpy as np
import torch
from gcl_cli.clustering.cohesion import cohesion
from gcl_cli.clustering.density import dbscan
from gcl_cli.clustering.ram import clustering_bytes
from gcl_cli.clustering.pseudo_labels import asked_distance, cluster_distance
from gcl_cli.config import ClusterSettings

size, people, spread = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
torch.set_num_threads(1)

rng = torch.Generator().manual_seed(0)
centres = torch.randn(people, 64, generator=rng)
rows = centres[torch.randint(people, (size,), generator=rng)] + spread * torch.randn(size, 64, generator=rng)
features = torch.nn.functional.normalize(rows, dim=1)
settings, told = ClusterSettings(rho=2e-3), []
ctypes.CDLL(None).malloc_trim(0)
forget_peak()
before = peak()
distance = asked_distance(features, settings=settings, expect=told.append)
found = cluster_distance(distance, features, settings=settings)
cohesion(distance, found.labels)
needed = clustering_bytes(size, dimension=64, k1=settings.k1, pairs=told[0]) - 2 * 4 * features.numel()
print(json.dumps([peak() - before, needed, told[0], len(distance.values)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
@pytest.mark.parametrize(("size", "people", "spread"), [(9_000, 500, 0.6), (9_000, 120, 1.0), (16_000, 800, 1.0)])
def test_the_estimate_is_near_the_peak(size, people, spread):
    asked = [sys.executable, "-c", PEAK + CLUSTERED, str(size), str(people), str(spread)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peak, needed, told, pairs = json.loads(done.stdout)
    print(f"{size} pictures: {peak / 1e6:.0f} MB at most, {needed / 1e6:.0f} told; {pairs} pairs, {told} told")  # noqa: T201
    assert needed / 1.3 < peak < 1.07 * needed
    assert told == pytest.approx(pairs, rel=0.15)


@pytest.mark.parametrize("size", [90, SAMPLED, 900])
def test_pairs_are_expected_from_some_rows_and_counted_in_few(size):
    features = clustered_features(size, people=size // 15, seed=3)
    weights = expanded_weights(features, nearest_neighbours(features, k=12), k2=4)
    pairs = len(distance_of_overlaps(weights).values)
    assert expected_pairs(weights) == pytest.approx(pairs, rel=1e-12 if size <= SAMPLED else 0.1)
    assert isinstance(expected_pairs(weights), int) and not np.isnan(pairs)
