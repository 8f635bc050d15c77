"""How alike two clusterings are, and whether clusters reach across cameras."""

import numpy as np


def adjusted_rand_index(first: np.ndarray, second: np.ndarray) -> float:
    """Agreement of two labellings of the same pictures (Hubert and Arabie 1985): 1 equal, about 0 by chance.

    first, second: [N] integer labels, noise negative. Every noise picture counts as a cluster of its own: noise says
    that a picture belongs with no other, not that all of it belongs together.
    """
    from sklearn.metrics import adjusted_rand_score  # seconds to import, for who has two labellings to compare

    return float(adjusted_rand_score(_noise_apart(first), _noise_apart(second)))


def share_across_cameras(labels: np.ndarray, cameras: np.ndarray) -> float:
    """The share of clusters with pictures of two cameras or more, in [0, 1]; 0 where there is no cluster.

    labels: [N], noise negative; cameras: [N] camera numbers. A low share says that the features tell cameras apart
    rather than people.
    """
    clustered = labels >= 0
    if not clustered.any():
        return 0.0
    seen = np.unique(np.stack((labels[clustered], cameras[clustered])), axis=1)  # [2, cluster-camera pairs]
    cameras_per_cluster = np.unique(seen[0], return_counts=True)[1]
    return float((cameras_per_cluster > 1).mean())


def _noise_apart(labels: np.ndarray) -> np.ndarray:
    """Labels [N] in which every noise picture has a label of its own."""
    noise = labels < 0
    apart = np.array(labels, dtype=np.int64)
    apart[noise] = labels.max(initial=-1) + 1 + np.arange(noise.sum())
    return apart
