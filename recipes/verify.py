"""How true the chances of `gcl verify` come: learned from one half of a set, unlabelled, tried on people of the other.

    python recipes/verify.py FOLDER        # features made by recipes/trust.py embed
    python recipes/verify.py FOLDER --fit  # also fits the weights in gcl_cli/retrieval/likeness.py, and prints them

A row a set and encoder: the expected calibration error of balanced pairs, with weights that are fitted to the other
synthetic sets alone (to those whose names do not begin with pku), and how many strangers pass at a threshold for one in
a hundred, of pairs and of searches.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from trust import Cell, _cell

from gcl_cli import console
from gcl_cli.commands.cluster.trust import Trust, trust
from gcl_cli.config import ClusterSettings
from gcl_cli.errors import GclError
from gcl_cli.retrieval.likeness import EVEN, SLOPE, Weights, learn, weighed_columns

ASKED = 0.01
Case = tuple[str, np.ndarray, np.ndarray]  # the set, the weighed columns [4], log slope and even point of the truth [2]


def clustered(columns: dict[str, np.ndarray], half: str) -> tuple[Cell, Trust]:
    """The clusters of one half, and what is to be expected of them."""
    cell = _cell("", columns, half, ClusterSettings(k1=20, radius=0.45), colours=f"{half}_colours" in columns)
    return cell, trust(cell.known, cell.labels, cell.doubt)


def case(name: str, columns: dict[str, np.ndarray], half: str) -> Case:
    """What is known of one half without labels, and the logistic curve that its labels give."""
    cell, expected = clustered(columns, half)
    one, other = np.triu_indices(len(cell.labels), 1)
    cosines = np.einsum("pd,pd->p", columns[half][one], columns[half][other])
    z, same = (cosines - cosines.mean()) / cosines.std(), cell.people[one] == cell.people[other]
    within = z[(cell.labels[one] == cell.labels[other]) & (cell.labels[one] >= 0)].mean()
    curve = LogisticRegression(C=1e6, class_weight="balanced").fit(z[:, None], same)
    slope = float(curve.coef_[0, 0])
    known = weighed_columns(within, expected.precision.about, expected.recall.about)
    return name, known, np.array([np.log(slope), -float(curve.intercept_[0]) / slope])


def fitted(cases: list[Case]) -> tuple[Weights, Weights]:
    """The weights of slope and even point: ridge regression on standardised columns."""
    x, y = (np.stack([one[part] for one in cases]) for part in (1, 2))
    scaled = StandardScaler().fit(x[:, 1:])
    found = Ridge(alpha=10).fit(scaled.transform(x[:, 1:]), y)
    weights = found.coef_ / scaled.scale_
    first = found.intercept_ - weights @ scaled.mean_
    slope, even = (tuple(np.round([a, *row], 4).tolist()) for a, row in zip(first, weights, strict=True))
    return slope, even


def measured(name: str, columns: dict[str, np.ndarray], by: tuple[Weights, Weights]) -> dict[str, object]:
    """The row of one set and encoder."""
    cell, expected = clustered(columns, "train")
    known = learn(
        columns["train"], cell.labels, columns["train_cam"], expected.pure,
        precision=expected.precision.about, recall=expected.recall.about, by=by,
    )  # fmt: skip
    features, cameras, people = (columns[part] for part in ("test", "test_cam", "test_p"))
    one, other = np.triu_indices(len(people), 1)
    cosines, same = (features @ features.T)[one, other], people[one] == people[other]
    chance, passed = np.empty(len(one)), np.empty(len(one), dtype=bool)
    low, high = np.minimum(cameras[one], cameras[other]), np.maximum(cameras[one], cameras[other])
    for pair in set(zip(low.tolist(), high.tolist(), strict=True)):
        rows = (low == pair[0]) & (high == pair[1])
        _, curve = known.curve(*pair)
        chance[rows] = np.interp(cosines[rows], curve.x, curve.y)
        passed[rows] = cosines[rows] >= curve.strangers.threshold(ASKED).threshold
    nearest = np.array([(features[people != who] @ row).max() for row, who in zip(features, people, strict=True)])
    search = known.threshold_of_search(ASKED, len(people))
    return {
        "features": name, "curves": len(known.curves), "ece": round(balanced_error(chance, same), 3),
        "false_accepts": round(float(passed[~same].mean()), 4), "true_accepts": round(float(passed[same].mean()), 3),
        "false_finds": round(float((nearest >= search.threshold).mean()), 4),
    }  # fmt: skip


def balanced_error(chance: np.ndarray, same: np.ndarray) -> float:
    """The expected calibration error over ten bins, one-person pairs weighing as much as those of strangers."""
    weight = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    part = np.minimum((chance * 10).astype(int), 9)
    return float(sum(abs(((chance - same) * weight)[part == b].sum()) for b in range(10)))


def main(folder: Path, *, fit: bool) -> None:
    """Print a row for each features file."""
    sets, cases = {}, []
    for file in sorted(folder.glob("*.npz")):
        columns = dict(np.load(file))
        if len(columns["test"]) == 0:
            continue  # crops without labels: nobody is left to try it on
        try:
            clustered(columns, "train")
            sets[file.stem] = columns
            if fit and not _set_of(file.stem).startswith("pku"):
                cases += [case(_set_of(file.stem), columns, half) for half in ("train", "test")]
        except GclError as error:
            console.warn(f"{file.stem}: {error.problem}")
    if fit:
        console.show(dict(zip(("slope", "even"), fitted(cases), strict=True)), as_json=True)
    rows = []
    for name, columns in sets.items():
        others = [one for one in cases if one[0] != _set_of(name)]
        rows.append(measured(name, columns, fitted(others) if others else (SLOPE, EVEN)))
    console.show({"rows": rows}, as_json=False)


def _set_of(name: str) -> str:
    return name.partition("-")[0]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), fit="--fit" in sys.argv)
