"""Fit the scale of `gcl cluster` to clusters whose people are known, and say how well it holds on sets it never saw.

    python recipes/trust.py thin SET KEEP SEED         # leaves some pictures of an unlabelled synthetic set
    python recipes/trust.py embed FOLDER WORK ...      # features by all networks of work folders, colours of people
    python recipes/trust.py fit FOLDER [--check PREFIX,...] [--write]  # prints the reliability; writes scale.py

Sets whose names begin with one of PREFIX,... are not fitted to, only checked.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from pprint import pformat
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from gcl_cli import console
from gcl_cli.clustering.cohesion import cohesion
from gcl_cli.clustering.pseudo_labels import asked_distance, cluster_distance, comparable_features
from gcl_cli.commands.cluster import maps
from gcl_cli.commands.cluster.colours import colours_of_people, people_cut_out
from gcl_cli.commands.cluster.maps import Line, Map, Scale
from gcl_cli.commands.cluster.trust import Facts, facts, picture_columns, raw_figures
from gcl_cli.config import ClusterSettings
from gcl_cli.datasets.dataset import camera_numbers
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.errors import GclError
from gcl_cli.people.data import open_data
from gcl_cli.records import Sample
from gcl_cli.session import Session
from gcl_cli.training.features import embed
from gcl_cli.weights.starting_weights import open_encoder

CLUSTERINGS = ({"radius": 0.35}, {"radius": 0.45})
SPLITS = {"train": ("train",), "test": ("query", "gallery")}
BINS = 25  # equal parts of what a map is fitted to
SURE = 0.98  # no map is surer than this, nor than one minus this
HOLDS = 0.8  # share of a cluster from which it is one person's
OUT = Path(maps.__file__).with_name("scale.py")
Reliability = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Cell:
    """One clustering of one set, and the truth about it."""

    group: str  # the set: what is left out together
    known: Facts
    labels: np.ndarray
    doubt: np.ndarray
    people: np.ndarray

    def of_clusters(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each cluster the share of one-person pairs, and whether it holds two people."""
        clusters = self._members()[: self.known.groups.clusters]
        counts = [np.unique(self.people[rows], return_counts=True)[1] for rows in clusters]
        pure = [(c * (c - 1)).sum() / max(c.sum() * (c.sum() - 1), 1) for c in counts]
        return np.array(pure), np.array([c.max() < HOLDS * c.sum() for c in counts], dtype=float)

    def _members(self) -> list[np.ndarray]:
        clusters = [np.flatnonzero(self.labels == c) for c in range(self.known.groups.clusters)]
        return clusters + [np.array([row]) for row in np.flatnonzero(self.labels < 0)]

    def most(self) -> np.ndarray:
        """The person that most pictures of each group show."""
        return np.array([np.bincount(self.people[rows]).argmax() for rows in self._members()])

    def of_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each pair of groups the share of pictures of one person, and whether most of both is one."""
        members, most = self._members(), self.most()
        ends = self.known.pairs.ends.tolist()
        shared = [(self.people[members[a]][:, None] == self.people[members[b]]).mean() for a, b in ends]
        return np.array(shared), np.array([most[a] == most[b] for a, b in ends], dtype=float)

    def right(self) -> np.ndarray:
        """Of each clustered picture whether it shows the person of most of its cluster."""
        rows = np.flatnonzero(self.labels >= 0)
        return (self.people[rows] == self.most()[self.labels[rows]]).astype(float)

    def figures(self) -> tuple[float, float, float]:
        """People for each group of pictures, precision and recall."""
        upper = np.triu_indices(len(self.labels), 1)
        together = ((self.labels[:, None] == self.labels) & (self.labels >= 0))[upper]
        same = (self.people[:, None] == self.people)[upper]
        both = (together & same).sum()
        return (
            len(np.unique(self.people)) / len(self.known.groups.sizes),
            both / max(together.sum(), 1),
            both / same.sum(),
        )


def thin(root: Path, keep: int, seed: int) -> None:
    """Leave `keep` pictures of an unlabelled set, so that some people are there once or twice."""
    pictures = sorted((root / "images").iterdir())
    for path in random.Random(seed).sample(pictures, max(0, len(pictures) - keep)):
        path.unlink()


def embed_all(folder: Path, place: str) -> None:
    """Features, cameras, people and colours for each network of a work folder, as `<work>-<stage>-<name>.npz`."""
    session = Session(work=place, threads=1, device="cpu")
    opened = open_data(session, None)
    halves = {half: [s for split in splits for s in opened.split(split)] for half, splits in SPLITS.items()}
    shared = {}
    for half, samples in halves.items():
        shared |= {f"{half}_cam": camera_numbers(samples), f"{half}_p": people_of(opened.root, samples)}
    if render := people_cut_out(session.folder, opened):
        cameras = known_cameras(shared["train_cam"])
        shared["train_colours"] = colours_of_people(opened, render, cameras, threads=1)
    complete = [path for stage in ("joint", "warmup") for path in Path(place, stage).glob("*/manifest.json")]
    for made in sorted(path.parent for path in complete):
        reference = f"{made.parent.name}/{made.name}"
        source = open_encoder(session.folder, encoder=reference, init=None, stages=("joint", "warmup"))
        network, size = source.load(torch.device("cpu")), source.architecture
        for half, samples in halves.items():
            names = [sample.name for sample in samples]
            pictures = read_pictures(opened.root, names, height=size.height, width=size.width, threads=1)
            shared[half] = embed(network, pictures, precision="fp32").numpy()
        np.savez(folder / f"{Path(place).name}-{made.parent.name}-{made.name}.npz", **shared)


def people_of(root: Path, samples: Sequence[Sample]) -> np.ndarray:
    """Whom each picture shows, [N]: of a synthetic set as its truth says, else as its labels do."""
    if not (root / "truth.safetensors").exists():
        return np.array([sample.person for sample in samples], dtype=np.int64)
    named = [Path(name).name for name in json.loads((root / "truth.names.json").read_text())]
    person = dict(zip(named, load_file(root / "truth.safetensors")["person"].tolist(), strict=True))
    return np.array([person[Path(sample.name).name] for sample in samples], dtype=np.int64)


def known_cameras(cameras: np.ndarray) -> torch.Tensor | None:
    """Cameras [N] where all are known."""
    return None if (cameras < 0).any() else torch.from_numpy(cameras)


def read_cells(folder: Path, *, colours: bool) -> list[Cell]:
    """All clusterings of all features in a folder, judged by features alone or by `colours` too, where they are there.

    Where features form a single group there is none.
    """
    cells = []
    for path in sorted(folder.glob("*.npz")):
        columns, name = np.load(path), path.stem.partition("-")[0]
        for half, chosen in product(SPLITS, CLUSTERINGS):
            if len(columns[half]) == 0 or (colours and f"{half}_colours" not in columns):
                continue
            try:
                cells.append(_cell(name, columns, half, ClusterSettings(k1=20, **chosen), colours=colours))
            except GclError as error:
                console.warn(f"{path.stem} {half} {chosen}: {error.problem}")
    return cells


def _cell(
    group: str, columns: Mapping[str, np.ndarray], half: str, settings: ClusterSettings, *, colours: bool = False
) -> Cell:
    cameras = known_cameras(columns[f"{half}_cam"])
    features = comparable_features(torch.from_numpy(columns[half]), cameras, camera_aware=settings.camera_aware)
    distance = asked_distance(features, settings=settings)
    labels = cluster_distance(distance, features, settings=settings).labels
    found = cohesion(distance, labels)
    witness = columns[f"{half}_colours"] if colours else None
    known = facts(features.numpy(), labels, found, cameras=cameras is not None, colours=witness)
    return Cell(group, known, labels, found.doubt, columns[f"{half}_p"])


def fitted(cells: list[Cell]) -> Scale:
    """The scale of some cells."""
    truth, clusters = [cell.of_clusters() for cell in cells], [cell.known.clusters for cell in cells]
    pure, two = (weighted_map(cells, clusters, [found[i] for found in truth]) for i in (0, 1))
    pairs = [(cell.known.kind(), cell.known.pairs.likeness, *cell.of_pairs()) for cell in cells]
    shared, same = [], []
    for kind in range(3):
        alike, share, one = ([found[i][found[0] == kind] for found in pairs] for i in (1, 2, 3))
        shared.append(monotone(cells, (1.0,), 0.0, alike, share))
        same.append(monotone(cells, (1.0,), 0.0, alike, one))
    line = Line(False, 0.0, 1.0, 0.0, 0.0)
    begun = Scale(pure, two, pure, (shared[0], shared[1], shared[2]), same[0], line, line, line)
    pictures = [picture_columns(cell.known, cell.labels, cell.doubt, begun)[cell.labels >= 0] for cell in cells]
    right = weighted_map(cells, pictures, [cell.right() for cell in cells])
    return replace(begun, right=right, **fitted_lines(cells, begun))


def weighted_map(cells: list[Cell], columns: list[np.ndarray], target: list[np.ndarray]) -> Map:
    """The weights of a logistic regression on a target in 0 .. 1, and the monotone map of their sum.

    columns: [M, C] of each cell; target: [M] of each. Every set counts as much as any other.
    """
    rows, wanted, weight = np.concatenate(columns), np.concatenate(target), equal_sets(cells, target)
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    scaled = (rows - mean) / spread
    both = np.concatenate([np.ones(len(wanted)), np.zeros(len(wanted))])
    model = LogisticRegression().fit(
        np.concatenate([scaled, scaled]), both, sample_weight=np.concatenate([wanted * weight, (1 - wanted) * weight])
    )
    weights = np.round(model.coef_[0] / spread, 4)
    bias = round(float(model.intercept_[0] - (weights * mean).sum()), 4)
    return monotone(cells, tuple(weights.tolist()), bias, [part @ weights + bias for part in columns], target)


def monotone(
    cells: list[Cell], weights: tuple[float, ...], bias: float, sums: list[np.ndarray], target: list[np.ndarray]
) -> Map:
    """Isotonic regression of a target on sums, each averaged over parts that weigh the same."""
    weight, at, wanted = equal_sets(cells, target), np.concatenate(sums), np.concatenate(target)
    order = np.argsort(at, kind="stable")
    ends = np.cumsum(weight[order]) / weight.sum()
    part = np.minimum((ends * BINS).astype(int), BINS - 1)
    own = [order[part == number] for number in np.unique(part)]
    x, y = (np.array([np.average(values[rows], weights=weight[rows]) for rows in own]) for values in (at, wanted))
    x, first = np.unique(x.round(4), return_index=True)
    y = IsotonicRegression(y_min=1 - SURE, y_max=SURE).fit_transform(x, y[first])
    return Map(weights, bias, tuple(x.tolist()), tuple(y.round(4).tolist()))


def equal_sets(cells: list[Cell], parts: list[np.ndarray]) -> np.ndarray:
    """The weight of each row of the cells' parts: all rows of one set together weigh as much as those of another."""
    sizes: Counter[str] = Counter()
    for cell, part in zip(cells, parts, strict=True):
        sizes[cell.group] += len(part)
    mean = sum(sizes.values()) / len(sizes)
    return np.concatenate(
        [np.full(len(part), mean / sizes[cell.group]) for cell, part in zip(cells, parts, strict=True) if len(part)]
    )


def fitted_lines(cells: list[Cell], scale: Scale) -> dict[str, Line]:
    """The lines from raw figures to true ones; how far the truth lies off is that of sets left out in turn."""
    raw = np.array([raw_figures(cell.known, scale) for cell in cells]).T
    true = np.array([cell.figures() for cell in cells], dtype=float).T
    weight = equal_sets(cells, [np.ones(1)] * len(cells))
    groups, lines = np.array([cell.group for cell in cells]), {}
    for name, share, x, y in zip(("people", "precision", "recall"), (False, True, True), raw, true, strict=True):
        plain = Line(share, 0.0, 1.0, 0.0, 0.0)
        x, y, off = plain.link(x), plain.link(y), np.empty(len(cells))
        for group in np.unique(groups):
            own = groups == group
            slope, bias = np.polyfit(x[~own], y[~own], 1, w=np.sqrt(weight[~own]))
            off[own] = y[own] - bias - slope * x[own]
        slope, bias = np.polyfit(x, y, 1, w=np.sqrt(weight))
        low, high = (weighted_quantile(off, weight, quantile) for quantile in (0.05, 0.95))
        lines[name] = Line(share, *(round(float(v), 4) for v in (bias, slope, low, high)))
    return lines


def weighted_quantile(values: np.ndarray, weight: np.ndarray, share: float) -> float:
    """The least value up to which `share` of the weight lies."""
    order = np.argsort(values, kind="stable")
    return float(values[order][np.searchsorted(np.cumsum(weight[order]), share * weight.sum())])


def reliability(cells: list[Cell], scale_of: dict[str, Scale]) -> Reliability:
    """Expected against true: chances in fifths, and figures by how often their range holds the truth.

    Every set counts as much as any other.
    """
    chances: dict[str, list[np.ndarray]] = {"a cluster holds two people": [], "two clusters are one person": []}
    chances["a label is right"] = []
    figures: dict[str, list[tuple[float, float]]] = {"people": [], "precision": [], "recall": []}
    for cell in cells:
        scale, own = scale_of[cell.group], cell.known.kind() == 0
        columns = picture_columns(cell.known, cell.labels, cell.doubt, scale)[cell.labels >= 0]
        same = scale.same(cell.known.pairs.likeness[own, None])
        chances["a cluster holds two people"].append(np.stack([scale.two(cell.known.clusters), cell.of_clusters()[1]]))
        chances["two clusters are one person"].append(np.stack([same, cell.of_pairs()[1][own]]))
        chances["a label is right"].append(np.stack([scale.right(columns), cell.right()]))
        for name, raw, true in zip(figures, raw_figures(cell.known, scale), cell.figures(), strict=True):
            about, low, high = getattr(scale, name)(raw)
            figures[name].append((float(low <= true <= high), abs(about - true) / (true if name == "people" else 1)))
    rows = [row for name, parts in chances.items() for row in in_fifths(name, cells, parts)]
    weight = equal_sets(cells, [np.ones(1)] * len(cells))
    held = [
        {
            "what": name,
            "cases": len(pairs),
            "in_range": round(float(np.average([p[0] for p in pairs], weights=weight)), 3),
            "off_by": round(float(np.average([p[1] for p in pairs], weights=weight)), 3),
        }
        for name, pairs in figures.items()
    ]
    return {"chances": rows, "ranges": held}


def in_fifths(name: str, cells: list[Cell], parts: list[np.ndarray]) -> list[dict[str, Any]]:
    """Expected and true shares in fifths of the chance, and the expected calibration error over ten bins.

    parts: expected and true of each cell, [2, M].
    """
    weight = equal_sets(cells, [part[0] for part in parts])
    chance, true = np.concatenate(parts, axis=1)
    bins = np.minimum((chance * 10).astype(int), 9)
    error = sum(abs(((chance - true) * weight)[bins == b].sum()) for b in np.unique(bins)) / weight.sum()
    fifths = [rows for fifth in range(5) if (rows := bins // 2 == fifth).any()]
    return [
        {
            "what": name,
            "expected": round(float(np.average(chance[rows], weights=weight[rows])), 3),
            "true": round(float(np.average(true[rows], weights=weight[rows])), 3),
            "cases": int(rows.sum()),
            "calibration_error": round(float(error), 3),
        }
        for rows in fifths
    ]


def write_scales(scales: dict[str, tuple[Scale, Reliability]]) -> None:
    """`scale.py`: SCALE and RELIABILITY, of features alone; the same with colours."""
    text = (
        '"""The scales of `trust`: made by recipes/trust.py from clusters of synthetic people, not by hand."""\n\n'
        "from typing import Any\n\nfrom gcl_cli.commands.cluster.maps import Line, Map, Scale\n\n# fmt: off\n"
    )
    for end, (scale, measured) in scales.items():
        first, second = (pformat(value, width=110, compact=True, sort_dicts=False) for value in (scale, measured))
        text += f"SCALE{end} = {first}\n\n# on synthetic sets that were left out of the fit in turn\n"
        text += f"RELIABILITY{end}: dict[str, Any] = {second}\n\n"
    OUT.write_text(text.rstrip("\n") + "\n")


def judged(cells: list[Cell], check: tuple[str, ...]) -> tuple[Scale, Reliability]:
    """The scale of the cells that are fitted to, and its reliability, which is printed, also that on the others."""
    own = [cell for cell in cells if not cell.group.startswith(check)]
    groups = sorted({cell.group for cell in own})
    whole, left_out = fitted(own), {g: fitted([cell for cell in own if cell.group != g]) for g in groups}
    measured = reliability(own, left_out)
    console.show({"left_out_in_turn": groups, **measured}, as_json=False)
    if others := [cell for cell in cells if cell.group.startswith(check)]:
        checked = reliability(others, {cell.group: whole for cell in others})
        console.show({"checked": sorted({cell.group for cell in others}), **checked}, as_json=False)
    return whole, measured


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("thin", "embed", "fit"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("more", nargs="*")
    parser.add_argument("--check", default="pku", metavar="PREFIX,...")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "thin":
        thin(given.folder, *map(int, given.more))
    elif given.what == "embed":
        given.folder.mkdir(parents=True, exist_ok=True)
        for work in given.more:
            embed_all(given.folder, work)
    else:
        scales = {}
        for end, colours in (("", False), ("_WITH_COLOURS", True)):
            console.say("With colours of people cut out:" if colours else "By features alone:")
            scales[end] = judged(read_cells(given.folder, colours=colours), tuple(given.check.split(",")))
        if given.write:
            write_scales(scales)


if __name__ == "__main__":
    main()
