"""The table of `photographs.sh`: mAP and rank-1 of every row, as it is and with the whole gallery, over the seeds."""

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
    cells: dict[str, list[dict[str, float]]] = {}
    for measured in sorted((folder / "work" / "evaluate").glob("*-s[0-9]*-gallery/manifest.json")):
        name = measured.parent.name.removesuffix("-gallery")
        row = re.sub(r"-?s\d+$", "", name.partition("-")[2]) or "warm-up"
        cells.setdefault(row, []).append(_cell(work, name))
    console.show_tables({"photographs": [_row(name, found) for name, found in cells.items()]})


def _cell(work: WorkFolder, name: str) -> dict[str, float]:
    stage, _, own = name.partition("-")
    trained = read_artifact(work, f"{stage}/{own}").manifest.result
    plain, whole = (
        read_artifact(work, f"evaluate/{measured}").manifest.result for measured in (name, f"{name}-gallery")
    )
    return {
        "minutes": trained["steps"] * trained.get("seconds_per_step", 0.0) / 60, "mAP": plain["mAP"],
        "rank-1": plain["rank_1"], "mAP, whole gallery": whole["mAP"], "rank-1, whole gallery": whole["rank_1"],
    }  # fmt: skip


def _row(name: str, found: list[dict[str, float]]) -> dict[str, str]:
    return {"row": name, "seeds": str(len(found))} | {key: _spread([cell[key] for cell in found]) for key in found[0]}


def _spread(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


main(Path(sys.argv[1]))
