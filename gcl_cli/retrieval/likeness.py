"""How sure two pictures show one person, by the cosine of their embeddings: learned from the clusters of a set.

Two pictures of one cluster count as one person by as much as the cluster is pure, two of different clusters as
strangers; a curve is fitted for every pair of cameras that has enough of both, and one for all.
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

SAMPLED = 20_000  # pairs of either kind that a curve is fitted to, at most
BINS = 40  # equal parts of them
ENOUGH = 200  # pairs of either kind that a pair of cameras needs for a curve of its own
SURE = 0.995  # no curve is surer than this
KEPT = 400  # highest cosines of strangers that are kept
ASKED = 2000  # pictures that are looked for among strangers, at most
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
        even = float(np.interp(cosine, self.x, self.y))
        odds = even / (1 - even) * prior / (1 - prior)
        return odds / (1 + odds)

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


def fit_curve(same: np.ndarray, weights: np.ndarray, strangers: np.ndarray) -> Curve:
    """The curve of cosines [P] of pairs that are one person by `weights` [P] in 0 .. 1, and those [Q] of strangers.

    Isotonic regression, both kinds weighing as much as each other.
    """
    from sklearn.isotonic import IsotonicRegression  # seconds to import

    cosines = np.concatenate([same, strangers])
    ones = np.concatenate([weights, np.zeros(len(strangers))])
    zeros = np.concatenate([1 - weights, np.ones(len(strangers))])
    edges = np.unique(np.quantile(cosines, np.linspace(0, 1, BINS + 1)[1:-1]))
    part = np.searchsorted(edges, cosines)  # equal ones together
    kept = np.unique(part)
    x = np.bincount(part, cosines)[kept] / np.bincount(part)[kept]
    mass = np.stack([np.bincount(part, kind)[kept] / kind.sum() for kind in (ones, zeros)], axis=1)
    total = mass.sum(axis=1)
    fitted = IsotonicRegression(y_min=1 - SURE, y_max=SURE).fit(x, mass[:, 0] / total, sample_weight=total)
    y = fitted.predict(x)
    return Curve(tuple(x.tolist()), tuple(np.asarray(y).tolist()), highest(strangers))


def learn(
    features: np.ndarray, labels: np.ndarray, cameras: np.ndarray | None, pure: np.ndarray, *, seed: int = 0
) -> Likeness:
    """The curves of all pairs of cameras that have enough, and that of all.

    features: [N, D], rows of unit length; labels: [N] in 0 .. K - 1, K > 1, -1 = noise; cameras: [N], None: unknown;
    pure: [K] the share of each cluster's pairs that show one person.
    """
    rng = np.random.default_rng(seed)
    kind = np.zeros(len(labels), dtype=int) if cameras is None else cameras
    together, apart = _pairs_together(labels, rng), _pairs_apart(labels, kind, rng)
    curves = {}
    for name, (one, other) in _camera_pairs(kind, together, apart).items():
        enough = 1 if name == ANY else ENOUGH
        if min(len(one), len(other)) >= enough and (name == ANY or cameras is not None):
            curves[name] = fit_curve(_cosines(features, one), pure[labels[one[:, 0]]], _cosines(features, other))
    return Likeness(curves, highest(_nearest_strangers(features, labels, rng)), len(labels))


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


def _camera_pairs(
    cameras: np.ndarray, together: np.ndarray, apart: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Both kinds of pairs, of all cameras and of each two."""
    found = {ANY: (together, apart)}
    ends = [np.sort(cameras[pairs], axis=1) for pairs in (together, apart)]
    for one, other in np.unique(ends[0], axis=0):
        if one >= 0:
            of = [pairs[(end == (one, other)).all(axis=1)] for pairs, end in zip((together, apart), ends, strict=True)]
            found[f"{one}-{other}"] = (of[0], of[1])
    return found


def _cosines(features: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return np.einsum("pd,pd->p", features[pairs[:, 0]], features[pairs[:, 1]])
