"""The table of `warmups.sh`: retrieval after every warm-up, and the time that each took."""

import sys
from pathlib import Path

from gcl_cli import console
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact


def main(folder: Path) -> None:
    """Print the table of the finished warm-ups in `folder`."""
    work = WorkFolder(folder / "work")
    rows = []
    for finished in sorted((folder / "work" / "warmup").iterdir()):
        measured = read_artifact(work, f"evaluate/warmup-{finished.name}").manifest.result
        warmup = read_artifact(work, f"warmup/{finished.name}")
        seconds = warmup.manifest.result.get("seconds_per_step", 0) * warmup.manifest.result["steps"]
        rows.append({
            "warm-up": finished.name, "steps": warmup.manifest.result["steps"],
            "minutes": f"{seconds / 60:.1f}", "mAP": f"{measured['mAP']:.1f}", "rank-1": f"{measured['rank_1']:.1f}",
        })  # fmt: skip
    console.show_tables({"warm-ups": rows})


main(Path(sys.argv[1]))
