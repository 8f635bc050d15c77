"""Clusters made to agree with what a person says of pairs of pictures."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gcl_cli.clustering.cameras import centre_per_camera
from gcl_cli.clustering.density import NOISE, components, number_by_first_member
from gcl_cli.errors import GclError
from gcl_cli.records import Corrections, PseudoLabels


def corrected(
    found: PseudoLabels,
    features: Tensor,
    cameras: Tensor | None,
    corrections: Corrections | None,
    *,
    camera_aware: bool,
) -> PseudoLabels:
    """The clusters, with must-linked pictures in one and cannot-linked ones in different ones; None: as they are.

    features: [N, D], rows of unit length. First what shows nobody leaves its cluster, the clusters of must-linked
    pictures become one, noise among them joins it, and must-linked noise alone becomes a cluster. Then each cluster
    that holds cannot-linked pictures is split (see `_parts`); a part of one picture becomes noise. Clusters are
    numbered anew by their first picture. Raises GclError where fewer than two clusters remain.
    """
    if corrections is None:
        return found
    features = centre_per_camera(features, cameras) if camera_aware and cameras is not None else features
    group = components(
        corrections.must[:, 0], corrections.must[:, 1], len(found.labels)
    )  # [N] what is must-linked shares a number
    before = found.labels.copy()
    before[corrections.nobody] = NOISE
    labels = _united(before, group)
    for cluster in np.unique(labels[corrections.cannot[:, 0]]):
        members = np.flatnonzero(labels == cluster)
        apart = corrections.cannot[np.isin(corrections.cannot, members).all(axis=1)]
        if cluster != NOISE and len(apart):
            parts = _parts(features, members, group, apart)
            labels[members] = np.where(np.bincount(parts)[parts] > 1, labels.max() + 1 + parts, NOISE)
    clustered = labels != NOISE
    labels[clustered] = number_by_first_member(labels[clustered])
    result = replace(found, labels=labels)
    if result.clusters < 2:
        raise GclError(
            f"the corrections turn {found.clusters} clusters into {result.clusters}: at least two are needed",
            "leave out must-links that join everything, or cannot-links that leave single pictures",
        )
    return result


def _united(labels: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Labels [N] with the clusters of each must-linked `group` [N] joined, and its noise with them."""
    linked = np.bincount(group)[group] > 1
    top, size = labels.max(initial=NOISE) + 1, len(labels)
    clustered, rows = labels != NOISE, np.arange(size)
    # a graph of pictures, clusters and groups: its components are the clusters
    to_cluster = np.stack((rows[clustered], size + labels[clustered]))
    to_group = np.stack((rows[linked], size + top + group[linked]))
    ends = np.concatenate((to_cluster, to_group), axis=1)  # [2, links]
    joined = components(ends[0], ends[1], size + top + int(group.max()) + 1)[:size]
    return np.where(clustered | linked, joined, NOISE).astype(np.int64)


def _parts(features: Tensor, members: np.ndarray, group: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """The part [M] of each of a cluster's `members` [M], so that no pair of `apart` [C, 2] shares one.

    The pictures of `apart`, each with its must-linked `group` [N], found the parts in their order: each joins the part
    with the picture most like it among those that hold nobody it must be apart from, or begins a new one. Every other
    group then joins the part with the founder most like one of its pictures.
    """
    founders = np.unique(group[apart])
    part_of = dict.fromkeys(founders.tolist(), -1)
    likeness = _likeness(features, members, group, founders)  # group -> [F] highest cosine with each founder's pictures
    forbidden = {frozenset(pair) for pair in group[apart].tolist()}
    for own in part_of:
        taken = [other for other in part_of if part_of[other] >= 0]
        closed = {part_of[other] for other in taken if frozenset((own, other)) in forbidden}
        nearest = [other for other in _by_likeness(likeness[own], founders) if part_of[other] >= 0]
        free = [part_of[other] for other in nearest if part_of[other] not in closed]
        part_of[own] = free[0] if free else max(part_of.values()) + 1
    for own in likeness:
        if own not in part_of:
            part_of[own] = part_of[_by_likeness(likeness[own], founders)[0]]
    return np.array([part_of[own] for own in group[members].tolist()])


def _likeness(features: Tensor, members: np.ndarray, group: np.ndarray, founders: np.ndarray) -> dict[int, np.ndarray]:
    """For each group among the `members`, the highest cosine of its pictures with those of each of `founders` [F]."""
    first = members[np.isin(group[members], founders)]
    rows, columns = (torch.from_numpy(one).to(features.device) for one in (members, first))
    cosine = (features[rows] @ features[columns].T).cpu().numpy()  # [M, pictures of founders]
    best = np.stack([cosine[:, group[first] == founder].max(axis=1) for founder in founders], axis=1)  # [M, F]
    return {own: best[group[members] == own].max(axis=0) for own in np.unique(group[members]).tolist()}


def _by_likeness(likeness: np.ndarray, founders: np.ndarray) -> list[int]:
    """The founders [F], the most alike first, equals in their order."""
    ordered: list[int] = founders[np.argsort(-likeness, kind="stable")].tolist()
    return ordered
