"""Which two pictures somebody should look at first: where a yes or no is likely to put most pairs right."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.sparse import coo_array, csr_array
from scipy.spatial.distance import squareform

from gcl_cli.clustering.jaccard import SparseDistance

FEWEST, MOST = 3, 500  # pictures of a cluster that is asked about, and of it that are looked at
CUTS = 4  # places where one cluster may have to be split
LEAST = 1e-3  # pairs that a question is expected to put right


@dataclass(frozen=True)
class Question:
    """Whether two pictures show the same person."""

    first: int  # row of a picture, the middle of its cluster or part
    second: int
    clusters: tuple[int, int]  # theirs; twice the same where it may have to be split
    chance: float  # that the clusters are wrong about them
    pairs: int  # of pictures that are wrong too, if they are

    @property
    def gain(self) -> float:
        """Pairs of pictures that an answer is expected to put right."""
        return self.chance * self.pairs


def questions(
    distance: SparseDistance, labels: np.ndarray, *, count: int, two: np.ndarray | None = None,
    same: Mapping[tuple[int, int], float] | None = None,
) -> list[Question]:  # fmt: skip
    """At most `count` questions about clusters that may have to be joined or split, the largest gain first.

    labels: [N], -1 = noise; two: [K] the chance that each cluster holds two people; same: the chance that two clusters
    (the lower first) are one person, 0 where it is not given. Without these a measure of doubt stands in, which is not
    calibrated: with a the mean distance within two clusters (of the two parts that average linkage joined last in one,
    the larger) and b that between them, s = max(b - a, 0) / b is how far they are apart; two clusters are wrong with
    1 - s, one with s. Of several cuts of a cluster the widest has the chance `two`, others as much less as they are
    apart. Pairs that `distance` leaves out count as 1.
    """
    near = _closeness(distance)
    members = [np.flatnonzero(labels == label) for label in range(int(labels.max(initial=-1)) + 1)]
    found = [*_joined(near, labels, members, same)]
    for label, everybody in enumerate(members):
        cuts = list(_cut(near, label, everybody))
        widest = max((one.chance for one in cuts), default=0)
        found += cuts if two is None else [replace(one, chance=float(two[label]) * one.chance / widest) for one in cuts]
    found = [one for one in found if one.gain > LEAST]
    return sorted(found, key=lambda one: (-one.gain, one.first, one.second))[:count]


def _closeness(distance: SparseDistance) -> csr_array:
    """1 - distance of every pair, [N, N] symmetric, without the diagonal."""
    rows, columns = distance.pairs()
    half = coo_array((1 - distance.values.astype(np.float64), (rows, columns)), shape=(distance.size, distance.size))
    return (half + half.T).tocsr()


def _joined(
    near: csr_array, labels: np.ndarray, members: list[np.ndarray], same: Mapping[tuple[int, int], float] | None
) -> Iterator[Question]:
    """Pairs of clusters that may be one person."""
    known, sizes = np.flatnonzero(labels >= 0), np.array([len(rows) for rows in members])
    member = coo_array((np.ones(len(known)), (known, labels[known])), shape=(len(labels), len(members))).tocsr()
    sums = (member.T @ near @ member).tocoo()  # [K, K] closeness between clusters, twice that within them
    within = np.ones(len(members))
    own = sums.row == sums.col
    within[sums.row[own]] = 1 - sums.data[own] / np.maximum(sizes * (sizes - 1), 1)[sums.row[own]]
    middles = [_middle(near, rows) for rows in members]
    for one, other, closeness in zip(sums.row.tolist(), sums.col.tolist(), sums.data.tolist(), strict=True):
        if one < other:
            between = 1 - closeness / (sizes[one] * sizes[other])
            apart = _apart((within[one] + within[other]) / 2, between)
            pairs = int(sizes[one] * sizes[other])
            chance = 1 - apart if same is None else same.get((one, other), 0.0)
            yield Question(middles[one], middles[other], (one, other), chance, pairs)


def _cut(near: csr_array, label: int, everybody: np.ndarray) -> Iterator[Question]:
    """Where average linkage joined the last parts of a cluster, which may be two people."""
    rows = everybody[:: -(-len(everybody) // MOST)]
    if len(rows) < FEWEST:
        return
    inside = 1 - near[rows][:, rows].toarray()
    np.fill_diagonal(inside, 0)
    tree = linkage(squareform(inside, checks=False), "average")[:, :2].astype(int).tolist()
    parts = [[row] for row in range(len(rows))]
    for one, other in tree:
        parts.append(parts[one] + parts[other])
    scale = (len(everybody) / len(rows)) ** 2
    for one, other in tree[-CUTS:]:
        sides = np.array(parts[one]), np.array(parts[other])
        within, between = max(_within(inside, side) for side in sides), inside[np.ix_(*sides)].mean()
        apart = _apart(within, float(between))
        if apart > 0 and len(sides[0]) + len(sides[1]) >= FEWEST:  # else nothing says how far apart one person's are
            first, second = (_middle(near, rows[side]) for side in sides)
            yield Question(first, second, (label, label), apart, round(len(sides[0]) * len(sides[1]) * scale))


def _within(inside: np.ndarray, side: np.ndarray) -> float:
    """The mean distance between two pictures of a part; 0 of one picture."""
    return float(inside[np.ix_(side, side)].sum() / max(len(side) * (len(side) - 1), 1))


def _apart(within: float, between: float) -> float:
    return max(between - within, 0.0) / max(between, 1e-9)


def _middle(near: csr_array, rows: np.ndarray) -> int:
    """The picture that is nearest to all others of its group."""
    return int(rows[np.asarray(near[rows][:, rows].sum(axis=1)).argmax()])
