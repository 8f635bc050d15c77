"""The last lines of the quickstart: what it measured, and the pictures it drew."""

import sys
from pathlib import Path

from gcl_cli import console
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import read_artifact


def main(folder: Path) -> None:
    """Print the table of a finished quickstart in `folder`."""
    work = WorkFolder(folder / "work")
    warm, joint = (read_artifact(work, f"evaluate/{stage}-main").manifest.result for stage in ("warmup", "joint"))
    kept = {
        kind: read_artifact(work, f"gen-metrics/{name}").manifest.result
        for kind, name in (("generated", "joint-main"), ("painted", "painted"), ("shipped", "shipped"))
    }
    steps = {stage: read_artifact(work, f"{stage}/main").manifest.result for stage in ("warmup", "gan-warmup", "joint")}
    results = [
        {"measure": "mAP, rank-1 after the warm-up", "value": f"{warm['mAP']:.1f}, {warm['rank_1']:.1f}"},
        {"measure": "mAP, rank-1 after joint training", "value": f"{joint['mAP']:.1f}, {joint['rank_1']:.1f}"},
        *(
            {
                "measure": f"identity kept by {kind} views, before others' backdrops",
                "value": f"{found['identity_kept']:.1f} %, {found['identity_other_backdrop']:.1f} %",
            }
            for kind, found in kept.items()
        ),
        *(
            {"measure": f"seconds a step, {stage}", "value": f"{r['seconds_per_step']:.3f}"}
            for stage, r in steps.items()
        ),
    ]
    console.show_tables({"quickstart": results})
    pictures = {
        "the chain, person by person": folder / "chain.png",
        "crops and their meshes": work.artifact("mesh") / "overlay.png",
        "people from eight sides": work.artifact("render") / "sheet.png",
        "generated views": work.artifact("joint") / "views.png",
    }
    for caption, path in pictures.items():
        sys.stdout.write(f"{caption}: {path}\n")


main(Path(sys.argv[1]))
