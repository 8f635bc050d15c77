"""What every report says of the clusters of an epoch."""

import math
from typing import cast

import numpy as np
import torch
from torch import Tensor

from gcl_cli.clustering.agreement import adjusted_rand_index, share_across_cameras
from gcl_cli.clustering.approximate import approximate_neighbours
from gcl_cli.clustering.pseudo_labels import cluster_features, comparable_features
from gcl_cli.config import EpochClusterSettings
from gcl_cli.records import PseudoLabels
from gcl_cli.training.state import Values
from gcl_cli.training.team import Team


def cluster_values(found: PseudoLabels, cameras: Tensor | None) -> Values:
    """What every report says of an epoch's clusters."""
    return {
        "clusters": found.clusters,
        "share_labelled": found.share_labelled,
        "share_noise": 1 - found.share_labelled,
        "share_cross_camera": None if cameras is None else share_across_cameras(found.labels, cameras.numpy()),
        "radius": None if math.isnan(found.radius) else found.radius,
        "fallback": found.fallback,
    }


def agreement_with(found: PseudoLabels, previous: Tensor) -> Values:
    """`agreement`: the adjusted Rand index of an epoch's labels and the `previous` ones [N]; None where it is first."""
    return {"agreement": adjusted_rand_index(previous.cpu().numpy(), found.labels) if len(previous) else None}


def cluster_together(
    features: Tensor, cameras: Tensor | None, *, settings: EpochClusterSettings, team: Team
) -> PseudoLabels:
    """Pseudo labels of the features [N, D], found by the leading process for all; the search of faiss is shared.

    An exact search is not: alone it looks at every pair once, in parts it would have to look from both sides.
    """
    nearest = None
    if team.size > 1 and settings.neighbours == "faiss":
        nearest = _search_together(features, cameras, settings=settings, team=team)
    found = cluster_features(features, cameras, settings=settings, nearest=nearest) if team.leads else None
    return cast(PseudoLabels, team.object_from_lead(found))


def _search_together(
    features: Tensor, cameras: Tensor | None, *, settings: EpochClusterSettings, team: Team
) -> np.ndarray:
    """The approximate neighbours of all pictures [N, k1], each process's share searched by itself."""
    comparable = comparable_features(features, cameras, camera_aware=settings.camera_aware)
    rows = team.own(torch.arange(len(features)))
    found = approximate_neighbours(comparable, k=min(settings.k1, len(features)), rows=rows)
    return team.gather_uneven(torch.from_numpy(found).to(features.device)).cpu().numpy()
