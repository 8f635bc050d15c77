"""Fit the scale of `gcl cluster` to clusters whose people are known, and say how well it holds on sets it never saw.

    python recipes/trust.py embed FOLDER WORK[:STAGE/NAME] DATA ...   # features of labelled sets by one encoder
    python recipes/trust.py fit FOLDER [--check PREFIX] [--write]    # prints the reliability; writes scale.py

Sets whose name begins with PREFIX are not fitted to, only checked.
"""

import argparse
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from pprint import pformat
from statistics import mean
from typing import Any

import numpy as np
import torch
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from gcl_cli import console
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.clustering.cohesion import cohesion
from gcl_cli.clustering.pseudo_labels import asked_distance, cluster_distance, comparable_features
from gcl_cli.commands.cluster import maps
from gcl_cli.commands.cluster.maps import Line, Map, Scale
from gcl_cli.commands.cluster.trust import Facts, facts, picture_columns, raw_figures
from gcl_cli.config import ClusterSettings
from gcl_cli.datasets.decoding import read_pictures
from gcl_cli.errors import GclError
from gcl_cli.people.data import open_other
from gcl_cli.training.features import embed
from gcl_cli.weights.starting_weights import open_encoder

CLUSTERINGS = ({"radius": 0.4}, {"radius": 0.5})
SPLITS = {"train": ("train",), "test": ("query", "gallery")}
BINS = 25  # equal parts of what a map is fitted to
SURE = 0.98  # no map is surer than this, nor than one minus this
HOLDS = 0.8  # share of a cluster from which it is one person's
OUT = Path(maps.__file__).with_name("scale.py")


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
        """People for each cluster, precision and recall."""
        upper = np.triu_indices(len(self.labels), 1)
        together = ((self.labels[:, None] == self.labels) & (self.labels >= 0))[upper]
        same = (self.people[:, None] == self.people)[upper]
        both = (together & same).sum()
        return (
            len(np.unique(self.people)) / self.known.groups.clusters,
            both / max(together.sum(), 1),
            both / same.sum(),
        )


def embed_sets(folder: Path, encoder: str, sets: list[str]) -> None:
    """Features of both halves of labelled sets, with cameras and people, as `<work>-<set>.npz`."""
    work, _, reference = encoder.partition(":")
    source = open_encoder(WorkFolder(Path(work)), encoder=reference or None, init=None, stages=("joint", "warmup"))
    network, size = source.load(torch.device("cpu")), source.architecture
    for root in sets:
        opened, columns = open_other(Path(root), allow_subset=True), {}
        for half, splits in SPLITS.items():
            samples = [s for split in splits for s in opened.split(split) if s.person is not None and s.person > 0]
            pictures = read_pictures(
                opened.root, [s.name for s in samples], height=size.height, width=size.width, threads=1
            )
            columns[half] = embed(network, pictures, precision="fp32").numpy()
            columns[f"{half}_cam"] = np.array([s.camera for s in samples])
            columns[f"{half}_p"] = np.array([s.person for s in samples])
        np.savez(folder / f"{Path(work).name}-{opened.dataset.name}.npz", **columns)


def read_cells(folder: Path) -> list[Cell]:
    """All clusterings of all features in a folder; where features form a single group there is none."""
    cells = []
    for path in sorted(folder.glob("*.npz")):
        columns, name = np.load(path), path.stem.rpartition("-")[2]
        for half, chosen in product(SPLITS, CLUSTERINGS):
            try:
                cells.append(_cell(f"{name} {half}", columns, half, ClusterSettings(k1=20, **chosen)))
            except GclError as error:
                console.warn(f"{path.stem} {half} {chosen}: {error.problem}")
    return cells


def _cell(group: str, columns: dict[str, np.ndarray], half: str, settings: ClusterSettings) -> Cell:
    cameras = torch.from_numpy(columns[f"{half}_cam"])
    features = comparable_features(torch.from_numpy(columns[half]), cameras, camera_aware=settings.camera_aware)
    distance = asked_distance(features, settings=settings)
    labels = cluster_distance(distance, features, settings=settings).labels
    found = cohesion(distance, labels)
    return Cell(group, facts(features.numpy(), labels, found), labels, found.doubt, columns[f"{half}_p"])


def fitted(cells: list[Cell], lines: dict[str, Line] | None = None) -> Scale:
    """The scale of some cells; lines: where they are known already."""
    truth = [cell.of_clusters() for cell in cells]
    columns = np.concatenate([cell.known.clusters for cell in cells])
    pure = weighted_map(columns, np.concatenate([t[0] for t in truth]))
    two = weighted_map(columns, np.concatenate([t[1] for t in truth]))
    pairs = [cell.of_pairs() for cell in cells]
    likeness = np.concatenate([cell.known.pairs.likeness for cell in cells])
    kind = np.concatenate([cell.known.kind() for cell in cells])
    share, same = (np.concatenate([p[i] for p in pairs]) for i in (0, 1))
    shared = tuple(monotone((1.0,), 0.0, likeness[kind == k], share[kind == k]) for k in range(3))
    line = Line(False, 0.0, 1.0, 0.0, 0.0)
    alike = monotone((1.0,), 0.0, likeness[kind == 0], same[kind == 0])
    begun = Scale(pure, two, pure, shared, alike, line, line, line)
    pictures = [picture_columns(cell.known, cell.labels, cell.doubt, begun)[cell.labels >= 0] for cell in cells]
    right = weighted_map(np.concatenate(pictures), np.concatenate([cell.right() for cell in cells]))
    return Scale(pure, two, right, shared, begun.same, **(lines or fitted_lines(cells, begun)))


def weighted_map(columns: np.ndarray, target: np.ndarray) -> Map:
    """The weights of a logistic regression on a target in 0 .. 1, and the monotone map of their sum."""
    mean, spread = columns.mean(axis=0), columns.std(axis=0) + 1e-9
    scaled = (columns - mean) / spread
    both = np.concatenate([np.ones(len(target)), np.zeros(len(target))])
    model = LogisticRegression().fit(
        np.concatenate([scaled, scaled]), both, sample_weight=np.concatenate([target, 1 - target])
    )
    weights = np.round(model.coef_[0] / spread, 4)
    bias = round(float(model.intercept_[0] - (weights * mean).sum()), 4)
    return monotone(tuple(weights.tolist()), bias, columns @ weights + bias, target)


def monotone(weights: tuple[float, ...], bias: float, sums: np.ndarray, target: np.ndarray) -> Map:
    """Isotonic regression of a target on sums, each averaged over equal parts of the sums."""
    parts = np.array_split(np.argsort(sums, kind="stable"), min(BINS, len(sums)))
    x, y = (np.array([values[part].mean() for part in parts]) for values in (sums, target))
    x, first = np.unique(x.round(4), return_index=True)
    y = IsotonicRegression(y_min=1 - SURE, y_max=SURE).fit_transform(x, y[first])
    return Map(weights, bias, tuple(x.tolist()), tuple(y.round(4).tolist()))


def fitted_lines(cells: list[Cell], scale: Scale) -> dict[str, Line]:
    """The lines from raw figures to true ones; how far the truth lies off is that of sets left out in turn."""
    raw = np.array([raw_figures(cell.known, scale) for cell in cells]).T
    true = np.array([cell.figures() for cell in cells], dtype=float).T
    groups, lines = np.array([cell.group for cell in cells]), {}
    for name, share, x, y in zip(("people", "precision", "recall"), (False, True, True), raw, true, strict=True):
        plain = Line(share, 0.0, 1.0, 0.0, 0.0)
        x, y, off = plain.link(x), plain.link(y), np.empty(len(cells))
        for group in np.unique(groups):
            own = groups == group
            slope, bias = np.polyfit(x[~own], y[~own], 1)
            off[own] = y[own] - bias - slope * x[own]
        slope, bias = np.polyfit(x, y, 1)
        lines[name] = Line(share, *(round(float(v), 4) for v in (bias, slope, *np.quantile(off, [0.05, 0.95]))))
    return lines


def reliability(cells: list[Cell], scale_of: dict[str, Scale]) -> dict[str, list[dict[str, Any]]]:
    """Expected against true: chances in fifths, and figures by how often their range holds the truth."""
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
    rows = [row for name, pairs in chances.items() for row in in_fifths(name, *np.concatenate(pairs, axis=1))]
    held = [
        {
            "what": name,
            "cases": len(pairs),
            "in_range": round(mean(p[0] for p in pairs), 3),
            "off_by": round(float(mean(p[1] for p in pairs)), 3),
        }
        for name, pairs in figures.items()
    ]
    return {"chances": rows, "ranges": held}


def in_fifths(name: str, chance: np.ndarray, true: np.ndarray) -> list[dict[str, Any]]:
    """Expected and true shares in fifths of the chance, and the expected calibration error over ten bins."""
    part = np.minimum((chance * 10).astype(int), 9)
    error = sum(abs(chance[part == b].mean() - true[part == b].mean()) * (part == b).mean() for b in np.unique(part))
    fifths = [rows for fifth in range(5) if (rows := part // 2 == fifth).any()]
    shares = [(float(chance[rows].mean()), float(true[rows].mean()), int(rows.sum())) for rows in fifths]
    return [
        {
            "what": name,
            "expected": round(x, 3),
            "true": round(y, 3),
            "cases": n,
            "calibration_error": round(float(error), 3),
        }
        for x, y, n in shares
    ]


def write_scale(scale: Scale, measured: dict[str, list[dict[str, Any]]]) -> None:
    """`scale.py`."""
    first, second = (pformat(value, width=110, compact=True, sort_dicts=False) for value in (scale, measured))
    OUT.write_text(
        '"""The scale of `trust`: made by recipes/trust.py from clusters of synthetic people, not by hand."""\n\n'
        "from typing import Any\n\nfrom gcl_cli.commands.cluster.maps import Line, Map, Scale\n\n"
        f"# fmt: off\nSCALE = {first}\n\n# on synthetic cities that were left out of the fit in turn\n"
        f"RELIABILITY: dict[str, Any] = {second}\n"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("embed", "fit"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("more", nargs="*")
    parser.add_argument("--check", default="pku")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.what == "embed":
        given.folder.mkdir(parents=True, exist_ok=True)
        embed_sets(given.folder, given.more[0], given.more[1:])
        return
    cells = read_cells(given.folder)
    own = [cell for cell in cells if not cell.group.startswith(given.check)]
    groups = sorted({cell.group for cell in own})
    left_out = {group: fitted([cell for cell in own if cell.group != group]) for group in groups}
    whole = fitted(own)
    measured = reliability(own, left_out)
    console.show({"left_out_in_turn": groups, **measured}, as_json=False)
    if others := [cell for cell in cells if cell.group.startswith(given.check)]:
        checked = reliability(others, {cell.group: whole for cell in others})
        console.show({"checked": sorted({cell.group for cell in others}), **checked}, as_json=False)
    if given.write:
        write_scale(whole, measured)


if __name__ == "__main__":
    main()
