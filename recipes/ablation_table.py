"""The table of `ablation.sh`: what every row of the ablation gained, with its spread over seeds, steps and time."""

import re
import statistics
import sys
from pathlib import Path

from gcl_cli import console
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact


def main(folder: Path) -> None:
    """Print the table of the cells in `folder` that are finished."""
    work = WorkFolder(folder / "work")
    cells: dict[str, list[tuple[dict[str, float], dict[str, float]]]] = {}
    for measured in sorted((folder / "work" / "evaluate").glob("*-s[0-9]*/manifest.json")):
        stage, _, name = measured.parent.name.partition("-")
        trained = read_artifact(work, f"{stage}/{name}").manifest.result
        row = re.sub(r"-?s\d+$", "", name) or "warm-up"
        cells.setdefault(row, []).append((trained, read_artifact(work, f"evaluate/{stage}-{name}").manifest.result))
    console.show_tables({"ablation": [_row(name, found) for name, found in cells.items()]})


def _row(name: str, found: list[tuple[dict[str, float], dict[str, float]]]) -> dict[str, str]:
    minutes = [trained["steps"] * trained["seconds_per_step"] / 60 for trained, _ in found]
    return {
        "row": name, "seeds": str(len(found)), "steps": f"{statistics.mean(t['steps'] for t, _ in found):.0f}",
        "minutes": f"{statistics.mean(minutes):.1f}", "mAP": _spread([m["mAP"] for _, m in found]),
        "rank-1": _spread([m["rank_1"] for _, m in found]),
    }  # fmt: skip


def _spread(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


main(Path(sys.argv[1]))
