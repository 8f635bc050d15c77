"""How true the chances of `gcl verify` come: learned from one half of a set, unlabelled, tried on people of the other.

    python recipes/verify.py FOLDER        # features made by recipes/trust.py embed

A row a set and encoder: the expected calibration error of balanced pairs, and how many strangers pass at a threshold
for one in a hundred, of pairs and of searches.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from trust import _cell

from gcl_cli import console
from gcl_cli.commands.cluster.scale import SCALE
from gcl_cli.config import ClusterSettings
from gcl_cli.errors import GclError
from gcl_cli.retrieval.likeness import learn

ASKED = 0.01


def measured(path: Path) -> dict[str, object]:
    """The row of one set and encoder."""
    columns = np.load(path)
    settings = ClusterSettings(k1=20, radius=0.45)
    cell = _cell("", {key: columns[key] for key in columns}, "train", settings)
    known = learn(columns["train"], cell.labels, columns["train_cam"], SCALE.pure(cell.known.clusters))
    features, cameras, people = (columns[name] for name in ("test", "test_cam", "test_p"))
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
        "features": path.stem, "curves": len(known.curves), "ece": round(balanced_error(chance, same), 3),
        "false_accepts": round(float(passed[~same].mean()), 4), "true_accepts": round(float(passed[same].mean()), 3),
        "false_finds": round(float((nearest >= search.threshold).mean()), 4),
    }  # fmt: skip


def balanced_error(chance: np.ndarray, same: np.ndarray) -> float:
    """The expected calibration error over ten bins, one-person pairs weighing as much as those of strangers."""
    weight = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    part = np.minimum((chance * 10).astype(int), 9)
    return float(sum(abs(((chance - same) * weight)[part == b].sum()) for b in range(10)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows = []
    for file in sorted(Path(sys.argv[1]).glob("*.npz")):
        try:
            rows.append(measured(file))
        except GclError as error:
            console.warn(f"{file.stem}: {error.problem}")
    console.show({"rows": rows}, as_json=False)
