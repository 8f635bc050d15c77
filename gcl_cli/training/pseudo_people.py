"""What every report says of the clusters of an epoch."""

import math

from torch import Tensor

from gcl_cli.clustering.agreement import share_across_cameras
from gcl_cli.records import PseudoLabels
from gcl_cli.training.state import Values


def cluster_values(found: PseudoLabels, cameras: Tensor | None) -> Values:
    """What every report says of an epoch's clusters."""
    return {
        "clusters": found.clusters,
        "share_labelled": found.share_labelled,
        "share_cross_camera": None if cameras is None else share_across_cameras(found.labels, cameras.numpy()),
        "radius": None if math.isnan(found.radius) else found.radius,
        "fallback": found.fallback,
    }
