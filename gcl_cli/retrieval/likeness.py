"""How sure two pictures show one person, by the cosine of their embeddings: learned from the clusters of a set.

The likeness of all pairs of pictures is known without labels, and how far pairs of one person stand out of it follows
from the clusters: how alike they are within, and how good they are expected to be. A curve is drawn for every pair of
cameras that has enough pairs, and one for all. Strangers are pairs of different clusters, and as many of one cluster as
it is expected to hold different people.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from gcl_cli.artifacts.files import read_json, write_json
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.errors import GclError

SAMPLED = 20_000  # pairs of a kind that are looked at, at most
LEAST = 0.05  # share of one-person pairs that a cluster has at least
CORNERS = 65  # of a curve
FURTHEST = 8.0  # standard deviations of all pairs that a curve reaches from their mean
ENOUGH = 200  # pairs of either kind that a pair of cameras needs for a curve of its own
SURE = 0.995  # no curve is surer than this
KEPT = 400  # highest cosines of strangers that are kept
ASKED = 2000  # pictures that are looked for among strangers, at most
# Both answers are equally likely at `EVEN`, in standard deviations of all pairs from their mean, and the curve is as
# steep as the exponential of `SLOPE`: weighted sums of 1, the mean of pairs within clusters, and the logits of the
# expected precision and recall. `python recipes/verify.py FOLDER --fit` fits them to synthetic cities.
Weights = tuple[float, float, float, float]
SLOPE: Weights = (0.2055, 0.1894, 0.1600, 0.1416)
EVEN: Weights = (0.3506, 0.2870, 0.1395, 0.0959)
FILE = "likeness.json"  # in the folder of the clusters
ANY = "any"  # the pair of cameras that stands for all


@dataclass(frozen=True)
class FalseAccepts:
    """How many strangers a threshold lets pass."""

    threshold: float  # cosine from which two pictures count as one person
    accepted: int  # of the pairs of strangers, one for each pair of people
    pairs: int
    low: float  # 95 % interval of the rate (Clopper and Pearson 1934)
    high: float

    def in_short(self, asked: float) -> dict[str, Any]:
        """The rate that was asked for and the one that was found, with its interval, for a result."""
        found = {"found": round(self.accepted / self.pairs, 4), "from": round(self.low, 4), "to": round(self.high, 4)}
        return {"asked": asked, **found, "strangers": self.pairs}


@dataclass(frozen=True)
class Highest:
    """The highest of many cosines with strangers."""

    cosines: tuple[float, ...]  # falling
    number: int  # that these are the highest of

    def threshold(self, rate: float) -> FalseAccepts:
        """The lowest cosine that lets pass at most the share `rate`, and what is known of that share."""
        allowed = min(int(rate * self.number + 1e-9), len(self.cosines) - 1)
        at = float(np.nextafter(self.cosines[allowed], 2.0))
        accepted = sum(cosine >= at for cosine in self.cosines)
        interval = binomtest(accepted, self.number).proportion_ci(method="exact")
        return FalseAccepts(at, accepted, self.number, float(interval.low), float(interval.high))


def highest(cosines: np.ndarray) -> Highest:
    """The highest of cosines [Q]."""
    return Highest(tuple(np.sort(cosines)[::-1][:KEPT].tolist()), len(cosines))


@dataclass(frozen=True)
class Curve:
    """What a cosine stands for."""

    x: tuple[float, ...]  # cosines, rising
    y: tuple[float, ...]  # chance that it is one person, where one person and strangers are equally likely
    strangers: Highest

    def chance(self, cosine: float, *, prior: float) -> float:
        """The chance that two pictures with this cosine show one person, where the share `prior` of all such do."""
        return float(self.chances(np.array([cosine]), np.array([prior]))[0])

    def chances(self, cosines: np.ndarray, priors: np.ndarray) -> np.ndarray:
        """The same of many: [P]."""
        even = np.interp(cosines, self.x, self.y)
        odds = even / (1 - even) * priors / (1 - priors)
        return np.asarray(odds / (1 + odds))

    def even(self) -> float | None:
        """The lowest cosine that is one person at least as likely as not, both being equally likely before."""
        first = next((row for row, chance in enumerate(self.y) if chance >= 0.5), None)
        if not first:
            return None if first is None else self.x[0]
        (low, high), (below, above) = self.x[first - 1 : first + 1], self.y[first - 1 : first + 1]
        return low + (0.5 - below) / (above - below) * (high - low)


@dataclass(frozen=True)
class Likeness:
    """What cosines stand for with one encoder."""

    curves: Mapping[str, Curve]  # by pair of cameras, such as `1-2`, and `any`
    nearest: Highest  # of the nearest stranger of each picture of the set
    size: int  # pictures of the set

    def curve(self, one: int | None, other: int | None) -> tuple[str, Curve]:
        """The curve of two cameras, and its name; that of all where they are unknown or have none."""
        name = ANY if one is None or other is None else f"{min(one, other)}-{max(one, other)}"
        return (name, self.curves[name]) if name in self.curves else (ANY, self.curves[ANY])

    def threshold_of_search(self, rate: float, gallery: int) -> FalseAccepts:
        """The cosine from which the best of `gallery` pictures is somebody known, where `rate` of strangers may pass.

        The nearest of m strangers stays below a cosine with the m-th power of the chance that one does.
        """
        return self.nearest.threshold(1 - (1 - rate) ** (self.size / gallery))


def fit_curve(all_pairs: np.ndarray, strangers: np.ndarray, *, slope: float, even: float) -> Curve:
    """The curve of cosines whose mean and spread are those of `all_pairs` [P]; strangers: cosines [Q].

    In standard deviations of all pairs it is a logistic curve: `slope`, and where both answers are equally likely.
    """
    mean, spread = float(all_pairs.mean()), max(float(all_pairs.std()), 1e-6)
    z = np.linspace(-FURTHEST, FURTHEST, CORNERS)
    y = np.clip(1 / (1 + np.exp(-slope * (z - even))), 1 - SURE, SURE)
    return Curve(tuple((mean + spread * z).tolist()), tuple(y.tolist()), highest(strangers))


def learn(
    features: np.ndarray, labels: np.ndarray, cameras: np.ndarray | None, pure: np.ndarray,
    *, precision: float, recall: float, by: tuple[Weights, Weights] = (SLOPE, EVEN), seed: int = 0,
) -> Likeness:  # fmt: skip
    """The curves of all pairs of cameras that have enough, and that of all.

    features: [N, D], rows of unit length; labels: [N] in 0 .. K - 1, K > 1, -1 = noise; cameras: [N], None: unknown;
    pure: [K] the share of each cluster's pairs that show one person; precision, recall: what is expected of all labels;
    by: the weights of slope and even point.
    """
    rng = np.random.default_rng(seed)
    kind = np.zeros(len(labels), dtype=int) if cameras is None else cameras
    together, apart, mixed = _pairs_together(labels, rng), _pairs_apart(labels, kind, rng), _pairs(len(labels), rng)
    nearest = highest(_nearest_strangers(features, labels, rng))
    if not len(together):
        return Likeness({}, nearest, len(labels))
    every, inside = _cosines(features, mixed), _cosines(features, together)
    within = float((inside.mean() - every.mean()) / max(every.std(), 1e-6))
    slope, even = (float(np.array(one) @ weighed_columns(within, precision, recall)) for one in by)
    slope, held = float(np.exp(slope)), np.clip(pure, LEAST, SURE)
    of = labels[together[:, 0]]
    strange = 1 - fit_curve(every, every, slope=slope, even=even).chances(inside, held[of])
    apart = np.concatenate([apart, _strangers_within(together, of, strange, held, rng)])
    curves = {}
    for name, (one, other, of) in _camera_pairs(kind, together, apart, mixed).items():
        enough = 1 if name == ANY else ENOUGH
        if min(map(len, (one, other, of))) >= enough and (name == ANY or cameras is not None):
            curves[name] = fit_curve(_cosines(features, of), _cosines(features, other), slope=slope, even=even)
    return Likeness(curves, nearest, len(labels))


def weighed_columns(within: float, precision: float, recall: float) -> np.ndarray:
    """What the weights are of: [4]. within: mean of pairs within clusters, in standard deviations of all pairs."""
    shares = np.clip([precision, recall], 0.01, 0.99)
    return np.array([1.0, within, *np.log(shares / (1 - shares))])


def write_likeness(folder: Path, found: Likeness) -> None:
    """The file in a folder of clusters."""
    write_json(folder / FILE, asdict(found))


def read_likeness(work: WorkFolder, name: str, encoder: str, inputs: Mapping[str, str]) -> Likeness:
    """What `cluster/<name>` learned with this encoder, whose inputs are given; GclError where it did not."""
    artifact = read_artifact(work, f"cluster/{name}")
    again = f"gcl cluster --encoder {encoder} --restart" + ("" if name == "main" else f" --name {name}")
    if not (artifact.folder / FILE).exists():
        raise GclError(f"{artifact.reference} was made by an earlier version and has no {FILE}.", f"Type: {again}")
    if not inputs.items() <= artifact.manifest.inputs.items():
        made = artifact.config.get("encoder", "another encoder")
        raise GclError(
            f"{artifact.reference} tells what similarities mean with {made}, not with {encoder}.", f"Type: {again}"
        )
    record = read_json(artifact.folder / FILE)
    curves = {
        cameras: Curve(tuple(one["x"]), tuple(one["y"]), _highest(one["strangers"]))
        for cameras, one in record["curves"].items()
    }
    if ANY not in curves:
        raise GclError(f"{artifact.reference} has no two pictures in one cluster to learn from.", f"Type: {again}")
    return Likeness(curves, _highest(record["nearest"]), record["size"])


def _highest(record: Mapping[str, Any]) -> Highest:
    return Highest(tuple(record["cosines"]), record["number"])


def _nearest_strangers(features: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The cosine [Q] of clustered pictures and the most like one of another cluster: of all, or of as many as asked."""
    rows = np.flatnonzero(labels >= 0)
    found = []
    for row in rows if len(rows) <= ASKED else rng.choice(rows, ASKED, replace=False):
        others = (labels != labels[row]) & (labels >= 0)
        found.append(float((features[others] @ features[row]).max()))
    return np.array(found)


def _pairs_together(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pairs [P, 2] of pictures of one cluster: all, or as many as are sampled."""
    rows = [np.flatnonzero(labels == cluster) for cluster in range(int(labels.max(initial=-1)) + 1)]
    share = min(1.0, SAMPLED / max(sum(len(r) * (len(r) - 1) / 2 for r in rows), 1))
    found = []
    for members in rows:
        one, other = np.triu_indices(len(members), 1)
        kept = rng.random(len(one)) < share
        found.append(np.stack([members[one[kept]], members[other[kept]]], axis=1))
    return np.concatenate(found) if found else np.empty((0, 2), dtype=int)


def _pairs_apart(labels: np.ndarray, cameras: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A pair [Q, 2] of pictures for every two clusters, and two cameras: whoever has many pictures counts once."""
    order = rng.permutation(np.flatnonzero(labels >= 0))
    _, first = np.unique(np.stack([labels[order], cameras[order]], axis=1), axis=0, return_index=True)
    chosen = order[first]  # a picture of each cluster in each camera
    most = max(2, int(np.sqrt(2 * SAMPLED)))
    chosen = chosen if len(chosen) <= most else rng.choice(chosen, most, replace=False)
    one, other = np.triu_indices(len(chosen), 1)
    apart = labels[chosen[one]] != labels[chosen[other]]
    return np.stack([chosen[one[apart]], chosen[other[apart]]], axis=1)


def _strangers_within(
    together: np.ndarray, of: np.ndarray, strange: np.ndarray, pure: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Pairs [S, 2] of one cluster for every two people in it: purity p means 1 / p people of equal share.

    together: [P, 2], of the clusters `of` [P], strangers by the chance `strange` [P]; pure: [K].
    """
    people = 1 / pure
    wanted = people * (people - 1) / 2
    there = np.maximum(np.bincount(of, strange, minlength=len(pure)), 1e-9)
    return together[rng.random(len(together)) < strange * (wanted / there)[of]]


def _pairs(number: int, rng: np.random.Generator) -> np.ndarray:
    """Pairs [P, 2] of any two of so many pictures: all, or as many as are sampled."""
    if number * (number - 1) / 2 <= SAMPLED:
        return np.stack(np.triu_indices(number, 1), axis=1)
    one, step = rng.integers(number, size=SAMPLED), rng.integers(1, number, size=SAMPLED)
    return np.stack([one, (one + step) % number], axis=1)


def _camera_pairs(cameras: np.ndarray, *kinds: np.ndarray) -> dict[str, tuple[np.ndarray, ...]]:
    """All kinds of pairs, of all cameras and of each two that have some of the first kind."""
    found = {ANY: kinds}
    ends = [np.sort(cameras[pairs], axis=1) for pairs in kinds]
    for one, other in np.unique(ends[0], axis=0):
        if one >= 0:
            of = (pairs[(end == (one, other)).all(axis=1)] for pairs, end in zip(kinds, ends, strict=True))
            found[f"{one}-{other}"] = tuple(of)
    return found


def _cosines(features: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return np.einsum("pd,pd->p", features[pairs[:, 0]], features[pairs[:, 1]])
