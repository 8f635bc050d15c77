"""What the features say of clusters: whether one falls into two, and whether two are one."""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage

MOST = 400  # pictures of a cluster that are looked at: how it falls into two is known from as many
NEAREST = 3  # groups that a group is compared with
ROWS = 1024  # groups compared with all others at a time
CLOSEST = 0.02  # difference of cosines below which own and strange pictures are as good as equally alike


Values = np.ndarray | float


@dataclass(frozen=True)
class Groups:
    """Pictures that are taken for one person each: K clusters, then every picture that is in none."""

    means: np.ndarray  # [G, D] of unit features
    sizes: np.ndarray  # [G]
    within: np.ndarray  # [G] mean cosine of two of its pictures; for a single picture that of the median cluster
    clusters: int  # K


@dataclass(frozen=True)
class Pairs:
    """Pairs of groups that may be one person."""

    ends: np.ndarray  # [P, 2] groups, the first the lower
    likeness: np.ndarray  # [P]


def groups_of(features: np.ndarray, labels: np.ndarray) -> Groups:
    """The groups of features [N, D], rows of unit length, with labels [N] in 0 .. K - 1, -1 = in none."""
    clusters = int(labels.max(initial=-1)) + 1
    alone = np.flatnonzero(labels < 0)
    group = labels.copy()
    group[alone] = clusters + np.arange(len(alone))
    sizes = np.bincount(group)
    sums = np.zeros((len(sizes), features.shape[1]))
    np.add.at(sums, group, features)
    within = _within(sums, sizes)
    within[sizes == 1] = np.median(within[sizes > 1]) if (sizes > 1).any() else 1.0
    return Groups(sums / sizes[:, None], sizes, within, clusters)


def likeness(between: Values, within: Values, strange: Values) -> np.ndarray:
    """How far two groups are alike, from as little as with strangers (0) to as much as within themselves (1).

    between: mean cosines of a picture of one and a picture of the other; within: of two pictures of the same;
    strange: of a picture of either and one of the nearest third group. Clipped to -1 .. 2.
    """
    return np.clip((between - strange) / np.maximum(within - strange, CLOSEST), -1.0, 2.0)


def split_evidence(features: np.ndarray, labels: np.ndarray, groups: Groups) -> tuple[np.ndarray, np.ndarray]:
    """The likeness [K] of the two halves of each cluster, and for each picture the share [N] that the other half has.

    A cluster of one is as alike as can be; NaN for pictures in no cluster.
    """
    found, side = np.ones(groups.clusters), np.full(len(labels), np.nan)
    for cluster in range(groups.clusters):
        members = np.flatnonzero(labels == cluster)
        if len(members) < 2:
            side[members] = 0.0
            continue
        part = halves(features[members])
        side[members] = 1 - np.bincount(part)[part] / len(members)
        others = np.delete(groups.means[: groups.clusters], cluster, axis=0)
        found[cluster] = _likeness_of_halves(features[members], part, others)
    return found, side


def halves(features: np.ndarray) -> np.ndarray:
    """The part, 0 or 1, of each of n features [n, D]: the last two clusters that Ward's method joins (1963).

    Of more than 400 pictures only so many are joined, evenly chosen; the others go to the nearer half.
    """
    chosen = np.linspace(0, len(features) - 1, min(MOST, len(features))).round().astype(int)
    part = cut_tree(linkage(features[chosen], "ward"), n_clusters=2).ravel()
    if len(chosen) == len(features):
        return part.astype(np.int64)
    means = np.stack([features[chosen[part == side]].mean(axis=0) for side in (0, 1)])
    return (features @ means.T).argmax(axis=1)


def _likeness_of_halves(rows: np.ndarray, part: np.ndarray, others: np.ndarray) -> float:
    """The likeness of the parts [n], 0 or 1, of a cluster's rows [n, D]; others: the means [K - 1, D] of the others."""
    sizes = np.bincount(part, minlength=2)
    sums = np.stack([rows[part == side].sum(axis=0) for side in (0, 1)]).astype(float)
    pairs = sizes * (sizes - 1)
    own = (_within(sums, sizes) * pairs).sum() / pairs.sum() if pairs.sum() else 1.0
    means = sums / sizes[:, None]
    strange = (means @ others.T).max(axis=1).mean() if len(others) else 0.0
    return float(likeness(means[0] @ means[1], own, strange))


def nearest_pairs(groups: Groups) -> Pairs:
    """Each group with its nearest ones, and each cluster with its nearest clusters, every pair once."""
    near, cosines = _nearest(groups.means, min(NEAREST + 1, len(groups.sizes) - 1))
    among, _ = _nearest(groups.means[: groups.clusters], min(NEAREST, groups.clusters - 1))
    listed = np.concatenate([_with_owner(near[:, :NEAREST]), _with_owner(among)])
    ends = np.unique(np.sort(listed, axis=1), axis=0)
    one, other = ends.T
    between = (groups.means[one] * groups.means[other]).sum(axis=1)
    strange = (_beside(near, cosines, one, other) + _beside(near, cosines, other, one)) / 2
    weights = groups.sizes[ends]
    within = (groups.within[ends] * weights).sum(axis=1) / weights.sum(axis=1)
    return Pairs(ends, likeness(between, within, strange))


def _with_owner(lists: np.ndarray) -> np.ndarray:
    """The entries of lists [G, k], each with the row of its list: [G k, 2]."""
    return np.stack([np.repeat(np.arange(len(lists)), lists.shape[1]), lists.ravel()], axis=1)


def _nearest(means: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The groups most like each other group, best first, and their mean cosines: [G, count] each."""
    near, cosines = [], []
    for start in range(0, len(means), ROWS):
        block = means[start : start + ROWS] @ means.T
        own = np.arange(len(block))
        block[own, start + own] = -np.inf
        order = np.argsort(-block, axis=1, kind="stable")[:, :count]
        near.append(order)
        cosines.append(np.take_along_axis(block, order, axis=1))
    return np.concatenate(near), np.concatenate(cosines)


def _beside(near: np.ndarray, cosines: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The largest mean cosine [P] of `own` groups [P] with a group that is neither their own nor `other` [P]."""
    second = min(1, near.shape[1] - 1)
    return cosines[own, np.where(near[own, 0] == other, second, 0)]


def _within(sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The mean cosine [G] of two pictures of each group, from the sums [G, D] of unit features; 1 for a single one."""
    pairs = sizes * (sizes - 1)
    return np.divide((sums * sums).sum(axis=1) - sizes, pairs, out=np.ones(len(sizes)), where=pairs > 0)
