"""How many epochs of a cheaper training take as long as full joint training and its generator's warm-up together."""

import sys
from pathlib import Path

from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact


def main(work: WorkFolder, seed: str, measured: str) -> None:
    """Print it, from the seconds a step that were measured where `measured` was trained."""
    spent = sum(_seconds(work, reference) for reference in (f"gan-warmup/s{seed}", f"joint/full-s{seed}"))
    pilot = read_artifact(work, measured).manifest
    per_epoch = _seconds(work, measured) / pilot.config["epochs"]
    sys.stdout.write(f"{max(1, round(spent / per_epoch))}\n")


def _seconds(work: WorkFolder, reference: str) -> float:
    result = read_artifact(work, reference).manifest.result
    return float(result["seconds_per_step"] * result["steps"])


main(WorkFolder(Path(sys.argv[1])), sys.argv[2], sys.argv[3])
