import numpy as np
import pytest
from clustering_written_out import clustered_features, to_dense, to_sparse
from sklearn.metrics import silhouette_samples

from gcl_cli.clustering.cohesion import cohesion
from gcl_cli.clustering.density import dbscan
from gcl_cli.clustering.jaccard import jaccard_distance


def test_tightness_and_doubt_worked_by_hand():
    # clusters {0, 1} at .2 and {2, 3} at .4; 1 is at .5 from 2; all other pairs at 1
    dense = np.ones((5, 5))
    np.fill_diagonal(dense, 0)
    for i, j, distance in ((0, 1, 0.2), (2, 3, 0.4), (1, 2, 0.5)):
        dense[i, j] = dense[j, i] = distance
    found = cohesion(to_sparse(dense), np.array([0, 0, 1, 1, -1]))
    assert found.tightness == pytest.approx([0.2, 0.4])
    # silhouettes: 0: (1 - .2) / 1, 1: (.75 - .2) / .75, 2: (.75 - .4) / .75, 3: (1 - .4) / 1
    assert found.doubt[:4] == pytest.approx([0.1, (1 - 0.55 / 0.75) / 2, (1 - 0.35 / 0.75) / 2, 0.2])
    assert np.isnan(found.doubt[4])
    assert found.nearest_other.tolist() == [-1, 1, 0, -1, -1]
    assert not found.suspicious.any()


def test_a_picture_nearer_to_another_cluster_is_suspicious():
    dense = np.full((4, 4), 0.9)
    np.fill_diagonal(dense, 0)
    dense[2, 3] = dense[3, 2] = 0.1
    dense[1, 2] = dense[2, 1] = dense[1, 3] = dense[3, 1] = 0.2
    found = cohesion(to_sparse(dense), np.array([0, 0, 1, 1]))
    assert found.suspicious.tolist() == [False, True, False, False]
    assert found.nearest_other[1] == 1


def test_doubt_equals_the_dense_silhouette_of_scikit_learn():
    distance = jaccard_distance(clustered_features(300, people=20, seed=2), k1=12, k2=4)
    labels = dbscan(distance, radius=0.5, min_samples=3)
    kept = labels >= 0
    expected = silhouette_samples(to_dense(distance)[np.ix_(kept, kept)], labels[kept], metric="precomputed")
    assert labels.max() > 5
    assert cohesion(distance, labels).doubt[kept] == pytest.approx((1 - expected) / 2, abs=1e-9)
