"""The table of `floors.sh`: clusters, their agreement with the truth, and retrieval, by set and floor."""

import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from gcl_cli import console
from gcl_cli.artifacts.formats import read_labels
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact
from gcl_cli.clustering.agreement import adjusted_rand_index

FLOORS = ("1e-6", "0")


def trained(work: WorkFolder, floor: str) -> dict[str, str]:
    """Means over the seeds: the last epoch's clusters of the warm-up, and what its encoder is worth."""
    names = sorted(folder.name for folder in (work.root / "warmup").glob(f"{floor}-*"))
    epochs = [last_epoch(work.artifact(f"warmup/{name}")) for name in names]
    measured = [read_artifact(work, f"evaluate/warmup-{name}").manifest.result for name in names]
    return {
        "clusters": f"{mean(epoch['clusters'] for epoch in epochs):.0f}",
        "labelled": f"{mean(epoch['share_labelled'] for epoch in epochs):.2f}",
        "ARI": f"{mean(epoch['true_ari'] for epoch in epochs):.3f}",
        "mAP": " ".join(f"{one['mAP']:.1f}" for one in measured),
    }


def last_epoch(folder: Path) -> dict[str, Any]:
    """What a warm-up wrote of its last epoch; the result comes after it."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if "epoch" in line][-1]


def with_papers_settings(work: WorkFolder, floor: str) -> dict[str, str]:
    """Radius, clusters and agreement with the truth of one encoder's clusters."""
    found = read_artifact(work, f"cluster/paper-{floor}").manifest.result
    names, labels = read_labels(work.artifact(f"cluster/paper-{floor}") / "labels.csv")
    truth = np.array([int(Path(name).name.partition("_")[0]) for name in names])
    ari = adjusted_rand_index(truth, labels.numpy())
    return {"radius": f"{found['radius']:.4f}", "paper: clusters": str(found["clusters"]), "paper: ARI": f"{ari:.3f}"}


def main(here: Path) -> None:
    """Print the table of the finished sets in `here`."""
    rows = []
    for folder in sorted(here.glob("work-*")):
        work = WorkFolder(folder)
        for floor in FLOORS:
            name = {"set": folder.name.removeprefix("work-"), "floor": floor}
            rows.append(name | trained(work, floor) | with_papers_settings(work, floor))
    console.show_tables({"floors": rows})


main(Path(sys.argv[1]))
