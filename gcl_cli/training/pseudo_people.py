"""What every report says of the clusters of an epoch."""

import math

import torch
from torch import Tensor

from gcl_cli.clustering.agreement import adjusted_rand_index, share_across_cameras
from gcl_cli.clustering.pseudo_labels import cluster_features
from gcl_cli.config import ClusterSettings
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


def agreement_with(found: PseudoLabels, previous: Tensor | None) -> Values:
    """`agreement`: the adjusted Rand index of an epoch's labels and the `previous` ones [N]; None where it is first."""
    return {"agreement": None if previous is None else adjusted_rand_index(previous.cpu().numpy(), found.labels)}


def cluster_together(
    features: Tensor, cameras: Tensor | None, *, settings: ClusterSettings, team: Team
) -> PseudoLabels:
    """Pseudo labels of the features [N, D], found by the leading process for all."""
    if team.leads:
        found = cluster_features(features, cameras, settings=settings)
        words = torch.frombuffer(bytearray((found.fallback or "").encode().ljust(1)), dtype=torch.uint8)
        facts = torch.tensor([found.radius, float(len(words)), float(found.fallback is not None)], dtype=torch.float64)
        labels = torch.from_numpy(found.labels)
    else:
        facts, labels = torch.empty(3, dtype=torch.float64), torch.empty(len(features), dtype=torch.int64)
    if team.size == 1:
        return found
    device = features.device
    labels, facts = (team.from_lead(values.to(device)).cpu() for values in (labels, facts))
    words = team.from_lead((words if team.leads else torch.empty(int(facts[1]), dtype=torch.uint8)).to(device)).cpu()
    fallback = bytes(words.tolist()).decode() if facts[2] else None
    return PseudoLabels(labels.numpy(), float(facts[0]), fallback)
