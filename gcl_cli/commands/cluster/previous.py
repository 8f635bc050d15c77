"""Agreement of new labels with earlier ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gcl_cli.artifacts.formats import read_labels
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.clustering.agreement import adjusted_rand_index
from gcl_cli.errors import GclError

Labels = dict[str, int]  # picture -> label


def previous_labels(work: WorkFolder, previous: str | None, *, name: str) -> Labels | None:
    """The labels of FILE or cluster/NAME; not named: those that this run takes the place of; None: there are none."""
    if previous is None:
        path = work.artifact(f"cluster/{name}") / "labels.csv"
        return _labels(path) if path.exists() else None
    if Path(previous).is_file():
        return _labels(Path(previous))
    if previous.partition("/")[0] != "cluster":
        problem = f"--previous {previous} is neither a file nor a clustering."
        raise GclError(problem, "Name a labels.csv, or cluster/NAME")
    return _labels(read_artifact(work, previous).folder / "labels.csv")


def agreement(names: Sequence[str], labels: np.ndarray, previous: Labels | None) -> dict[str, Any]:
    """`agreement`: the adjusted Rand index with earlier labels, over the `agreement_pictures` that both have."""
    shared = [row for row, name in enumerate(names) if previous is not None and name in previous]
    if previous is None or len(shared) < 2:
        return {"agreement": None, "agreement_pictures": len(shared)}
    earlier = np.array([previous[names[row]] for row in shared])
    return {"agreement": adjusted_rand_index(earlier, labels[shared]), "agreement_pictures": len(shared)}


def _labels(path: Path) -> Labels:
    names, labels = read_labels(path)
    return dict(zip(names, labels.tolist(), strict=True))
