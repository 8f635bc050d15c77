"""Work folders made by hand: real artifacts, published by a real run, without a stage that computes anything."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.formats import write_labels
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact, read_artifact
from gcl_cli.artifacts.run import CHECKPOINTS, Run
from gcl_cli.artifacts.view_store import ViewWriter
from gcl_cli.config.presets import settings_for
from gcl_cli.config.stages import STAGE_SETTINGS
from gcl_cli.people.data import open_data
from gcl_cli.session import Session

READS = {  # stage -> the stages whose artifact it reads, each as the config calls it
    "mesh": {}, "render": {"meshes": "mesh"}, "warmup": {}, "gan-warmup": {"encoder": "warmup", "views": "render"},
    "joint": {"generator": "gan-warmup", "views": "render"},
}  # fmt: skip
FIGURES = {"mAP": 50.0, "rank_1": 60.0, "rank_5": 70.0, "rank_10": 80.0, "mINP": 20.0}


def market(root: Path, splits=("bounding_box_train", "query", "bounding_box_test")) -> Path:
    """A data set whose pictures nobody opens."""
    for split in splits:
        (root / split).mkdir(parents=True)
        for name in ("0002_c1s1_000451_03.jpg", "0002_c2s1_000001_01.jpg"):
            (root / split / name).write_bytes(name.encode())
    return root


def write_views(folder: Path, split: str, pictures: Iterable[list[bytes]]) -> int:
    """The compressed pictures of all angles, row by row, as `gcl render` stores them; returns their bytes."""
    with ViewWriter(folder, split) as writer:
        for row in pictures:
            writer.add(row)
    return writer.size


def begun(work: Path, reference: str, chosen: dict[str, Any] | None = None, preset: str = "tiny", **named: Any) -> Run:
    """A run with the settings and inputs that its stage would have; `named`: further entries of the config."""
    folder, (stage, _, name) = WorkFolder(work), reference.partition("/")
    inputs = {"dataset": open_data(Session(work=str(work)), None).digest}
    measured = named.get("encoder") or named.get("generator")
    reads = READS.get(stage, {"encoder" if stage in ("evaluate", "cluster") else "generator": ""})
    sources = {key: f"{source}/main" if source else str(measured) for key, source in reads.items()} | named
    for key in reads:
        inputs[sources[key]] = read_artifact(folder, sources[key]).manifest.digest
    config = {key: source for key, source in sources.items() if key != "views"}
    if stage in ("warmup", "gan-warmup", "joint"):
        config["preset"] = preset
    settings = settings_for(STAGE_SETTINGS[stage], stage, preset, chosen or {})
    return Run(folder, stage, name or "main", config | settings.model_dump(), inputs)


def made(
    work: Path, reference: str, chosen: dict[str, Any] | None = None, *, content: str = "", **named: Any
) -> Artifact:
    """The finished artifact of such a run; `content` makes its outputs others."""
    run = begun(work, reference, chosen, **named)
    if (finished := run.finished(restart=False)) is not None:
        return finished
    with run.begin(restart=False):
        (run.folder / "weights.safetensors").write_text(f"{reference} {content}" * 100)
        return run.publish(_clustered(work, run.folder) if run.stage == "cluster" else dict(FIGURES))


def _clustered(work: Path, folder: Path) -> dict[str, Any]:
    """The files of a clustering in which all training pictures but the last are one person; returns its result."""
    names = open_data(Session(work=str(work)), None).names("train")
    write_labels(folder / "labels.csv", names, np.array([0] * (len(names) - 1) + [-1]), np.full(len(names), 0.6))
    stray = {"name": names[0], "doubt": 0.6, "nearest": -1}
    write_json(folder / "clusters.json", [{"label": 0, "suspicious": [stray]}])
    figures = {"share_labelled": (len(names) - 1) / len(names), "people": {"about": 3, "from": 2, "to": 5}}
    doubtful = {"hold_two_people": [0], "one_person": [{"clusters": [0, 1], "chance": 0.75}]}
    figures |= {"expected_precision": {"about": 0.62, "from": 0.4, "to": 0.8}, **doubtful}
    return {"pictures": len(names), "clusters": 1, "sheet": "clusters.png", **figures}


def interrupted(
    work: Path, reference: str, chosen: dict[str, Any] | None = None, *, steps: int = 200, **named: Any
) -> Path:
    """What such a run leaves when it is killed after some steps."""
    run = begun(work, reference, chosen, **named)
    with run.begin(restart=False):
        (run.folder / CHECKPOINTS / f"{steps:09d}").mkdir(parents=True)
        (run.folder / CHECKPOINTS / f"{steps:09d}" / "tensors.safetensors").write_text("state" * 100)
        run.record({"epoch": 1})
    return run.folder


def whole_chain(work: Path, data: Path) -> Path:
    """All artifacts of the chain."""
    open_data(Session(work=str(work)), str(data))
    for stage in READS:
        made(work, f"{stage}/main")
    made(work, "evaluate/warmup-main", encoder="warmup/main")
    made(work, "evaluate/joint-main", encoder="joint/main")
    made(work, "gen-metrics/joint-main", generator="joint/main")
    return work


def remade(work: Path, reference: str) -> None:
    """Make an artifact anew, with other bytes: what was made of it is stale then."""
    run = begun(work, reference)
    with run.begin(restart=True):
        (run.folder / "weights.safetensors").write_text("made anew")
        run.publish(dict(FIGURES))


def snapshot(folder: Path) -> dict[str, int]:
    """Every file below a folder, with when it was written."""
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
