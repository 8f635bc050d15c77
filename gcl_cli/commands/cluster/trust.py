"""How far clusters can be trusted without labels: chances and shares, by a scale that synthetic cities gave.

Each figure is a weighted sum of what the features say (`evidence`), put through a monotone map. Weights and maps are in
`scale.py`, which recipes/trust.py fits to clusters of synthetic people.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gcl_cli.clustering.cohesion import Cohesion
from gcl_cli.commands.cluster.colours import alike_in_colours
from gcl_cli.commands.cluster.evidence import Groups, Pairs, groups_of, nearest_pairs, split_evidence
from gcl_cli.commands.cluster.maps import Range, Scale
from gcl_cli.commands.cluster.scale import RELIABILITY, RELIABILITY_WITH_COLOURS, SCALE, SCALE_WITH_COLOURS

SPLIT_FROM = 0.5  # chance of holding two people from which a cluster is told of
MERGE_FROM = 0.5  # chance of being one person from which two clusters are


@dataclass(frozen=True)
class Facts:
    """What is known of clusters without a label: the columns that the maps are of."""

    groups: Groups
    clusters: np.ndarray  # [K, 5] likeness of the halves, tightness, mean doubt, log of size over the median size,
    # whether cameras are known (0 or 1); where people are cut out a sixth, how alike their colours are
    side: np.ndarray  # [N] share of its cluster that is not in a picture's half; NaN for noise
    pairs: Pairs
    colours: np.ndarray | None = None  # [N] how alike a picture's colours and its cluster's are, where that is known

    def kind(self) -> np.ndarray:
        """How many of the two groups of each pair are single pictures in no cluster: [P]."""
        return (self.pairs.ends >= self.groups.clusters).sum(axis=1)


@dataclass(frozen=True)
class Trust:
    """What is to be expected of clusters."""

    two: np.ndarray  # [K] chance that a cluster holds two people or more: nobody has four fifths of its pictures
    pure: np.ndarray  # [K] expected share of its pairs of pictures that show one person
    confidence: np.ndarray  # [N] chance that a picture shows the person of most of its cluster; NaN for noise
    merges: tuple[tuple[int, int, float], ...]  # clusters that are one person, with the chance, the likeliest first
    people: Range
    precision: Range  # of all pairs of pictures in one cluster, the share that shows one person
    recall: Range  # of all pairs of pictures of one person, the share that is in one cluster


def facts(
    features: np.ndarray, labels: np.ndarray, found: Cohesion, *, cameras: bool, colours: np.ndarray | None = None
) -> Facts:
    """What features [N, D], rows of unit length as they were clustered, say of labels [N], -1 = noise.

    cameras: whether they are known; colours: of the people cut out, where they are (`colours.colours_of_people`).
    """
    groups = groups_of(features, labels)
    alike, side = split_evidence(features, labels, groups)
    sizes = groups.sizes[: groups.clusters]
    members = labels >= 0
    doubt = np.bincount(labels[members], found.doubt[members]) / sizes
    known = np.full(groups.clusters, float(cameras))
    columns, own = [alike, found.tightness, doubt, np.log(sizes / np.median(sizes)), known], None
    if colours is not None:
        of_clusters, own = alike_in_colours(colours, labels)
        columns.append(of_clusters)
    return Facts(groups, np.stack(columns, axis=1), side, nearest_pairs(groups), own)


def scale_of(known: Facts) -> Scale:
    """The scale of what is known: of features alone, or of colours beside them."""
    return SCALE if known.colours is None else SCALE_WITH_COLOURS


def reliability_of(known: Facts) -> dict[str, Any]:
    """How well that scale held on sets that it was not fitted to."""
    return RELIABILITY if known.colours is None else RELIABILITY_WITH_COLOURS


def trust(known: Facts, labels: np.ndarray, doubt: np.ndarray, scale: Scale | None = None) -> Trust:
    """What is to be expected of labels [N] with the doubt [N] about them."""
    scale = scale or scale_of(known)
    members, confidence = labels >= 0, np.full(len(labels), np.nan)
    confidence[members] = scale.right(picture_columns(known, labels, doubt, scale)[members])
    people, precision, recall = raw_figures(known, scale)
    groups = len(known.groups.sizes)
    return Trust(
        scale.two(known.clusters), scale.pure(known.clusters), confidence, _merges(known, scale),
        Range(*(groups * share for share in scale.people(people))), scale.precision(precision), scale.recall(recall),
    )  # fmt: skip


def in_short(found: Trust, numbers: np.ndarray) -> dict[str, Any]:
    """What is to be expected of all clusters, for a result; numbers: [K] what they are called."""
    ranges = {"people": found.people, "expected_precision": found.precision, "expected_recall": found.recall}
    told = {
        name: [round(value) if name == "people" else round(value, 3) for value in figure]
        for name, figure in ranges.items()
    }
    return {
        **{name: {"about": about, "from": low, "to": high} for name, (about, low, high) in told.items()},
        "hold_two_people": numbers[found.two >= SPLIT_FROM].tolist(),
        "one_person": [
            {"clusters": [int(numbers[one]), int(numbers[other])], "chance": chance}
            for one, other, chance in found.merges
        ],
    }


def same_person(known: Facts) -> dict[tuple[int, int], float]:
    """The chance that clusters which are near to each other are one person, the lower first."""
    scale = scale_of(known)
    chance = np.where(known.kind() == 0, scale.same(known.pairs.likeness[:, None]), 0.0)
    ends = np.sort(known.pairs.ends, axis=1).tolist()
    return {(one, other): float(share) for (one, other), share in zip(ends, chance, strict=True) if share > 0}


def picture_columns(known: Facts, labels: np.ndarray, doubt: np.ndarray, scale: Scale) -> np.ndarray:
    """The columns [N, 4] on how sure a picture's place is: purity of its cluster, doubt, side, impurity by side.

    Where people are cut out a fifth, how alike its colours and its cluster's are.
    """
    pure = np.append(scale.pure(known.clusters), np.nan)[labels]
    columns = [pure, doubt, known.side, (1 - pure) * known.side]
    return np.stack(columns if known.colours is None else [*columns, known.colours], axis=1)


def raw_figures(known: Facts, scale: Scale) -> tuple[float, float, float]:
    """People a group, precision and recall as the chances add up, before they are set right.

    A picture's person has as many pictures as its cluster is pure and its neighbours share; people are the sum over
    pictures of one over that number.
    """
    sizes, pure = known.groups.sizes, scale.pure(known.clusters)
    shared = np.choose(known.kind(), [share(known.pairs.likeness[:, None]) for share in scale.shared])
    one, other = known.pairs.ends.T
    mates = 1 + np.append(pure, np.ones(len(sizes) - len(pure))) * (sizes - 1)
    np.add.at(mates, one, shared * sizes[other])
    np.add.at(mates, other, shared * sizes[one])
    together = _pairs(sizes[: len(pure)])
    kept, lost = (pure * together).sum(), (shared * sizes[one] * sizes[other]).sum()
    return (
        float((sizes / mates).mean()),
        float(kept / max(together.sum(), 1.0)),
        float(kept / max(kept + lost, 1e-9)),
    )


def _pairs(sizes: np.ndarray) -> np.ndarray:
    return sizes * (sizes - 1) / 2


def _merges(known: Facts, scale: Scale) -> tuple[tuple[int, int, float], ...]:
    """Pairs of clusters that are likelier one person than two."""
    chance = np.where(known.kind() == 0, scale.same(known.pairs.likeness[:, None]), 0.0)
    order = np.argsort(-chance, kind="stable")
    likely = [row for row in order.tolist() if chance[row] > MERGE_FROM]
    ends = known.pairs.ends
    return tuple((int(ends[row, 0]), int(ends[row, 1]), round(float(chance[row]), 4)) for row in likely)
