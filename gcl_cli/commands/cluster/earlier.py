"""Labels that were there before: what new ones are compared with, and whose numbers people keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gcl_cli.artifacts.formats import read_labels
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import MANIFEST, read_artifact, read_manifest, read_whole
from gcl_cli.artifacts.run import Run
from gcl_cli.clustering.agreement import adjusted_rand_index
from gcl_cli.clustering.numbering import carried_numbers
from gcl_cli.commands.cluster.embedded import SPLIT
from gcl_cli.errors import GclError
from gcl_cli.people.data import WorkData
from gcl_cli.people.kept_rows import same_names

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


@dataclass(frozen=True)
class Numbering:
    """The numbers of people."""

    numbers: np.ndarray  # [K] int64, of the clusters in their order
    said: dict[str, Any]  # for the result

    def of(self, labels: np.ndarray) -> np.ndarray:
        """The numbers [N] of clusters [N]; -1, no cluster, stays."""
        return np.where(labels >= 0, self.numbers[labels], -1) if len(self.numbers) else labels


def numbered(job: Run, data: WorkData, labels: np.ndarray) -> Numbering:
    """Numbers that people keep from the labels which a run takes the place of; a number that is given up stays unused.

    labels: [N] the new clusters of the training pictures.
    """
    if not (job.final / MANIFEST).exists():
        numbers = carried_numbers(labels, np.full(len(labels), -1), unused=0)
        return Numbering(numbers, {"next_number": len(numbers)})
    old = read_whole(job.work, f"{job.stage}/{job.name}")
    there = _labels(old.folder / "labels.csv")
    then = same_names(job.work, old, data.digest, SPLIT) or {name: name for name in there}
    before = np.array([there.get(then.get(name, ""), -1) for name in data.names(SPLIT)], dtype=np.int64)
    people = set(there.values()) - {-1}
    unused = max([read_manifest(old.folder).result.get("next_number", 0), *(1 + number for number in people)])
    numbers = carried_numbers(labels, before, unused=unused)
    new = int((numbers >= unused).sum())
    said = {"people_kept": len(numbers) - new, "people_new": new, "people_gone": len(people) - (len(numbers) - new)}
    return Numbering(numbers, {**said, "next_number": unused + new})


def _labels(path: Path) -> Labels:
    names, labels = read_labels(path)
    return dict(zip(names, labels.tolist(), strict=True))
