"""`gcl mesh`: crops -> bodies."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gcl_cli import console
from gcl_cli.artifacts.formats import join_meshes, read_meshes, write_meshes
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.run import SHARDS, Run
from gcl_cli.artifacts.sheets import write_sheet
from gcl_cli.body.estimator import Estimator
from gcl_cli.body.model import load_body
from gcl_cli.body.overlay import overlay, side_view
from gcl_cli.config import MeshSettings
from gcl_cli.datasets.dataset import require_split
from gcl_cli.datasets.decoding import read_crops
from gcl_cli.errors import GclError
from gcl_cli.presets import settings_for
from gcl_cli.records import MeshEstimates, RunOptions
from gcl_cli.workflow.data import WorkData, open_data
from gcl_cli.workflow.following import complete_already
from gcl_cli.workflow.sharing import cores, map_shared

SHARD = 64  # pictures; what an interruption may cost each process
STATUS = ("ok", "low_confidence", "fallback")
ZOOM = 2
PEOPLE_PER_ROW = 4


@dataclass(frozen=True)
class Shard:
    """Some pictures of a split, in order."""

    split: str
    number: int
    names: tuple[str, ...]


def run(options: RunOptions, data: str | None, chosen: dict[str, Any]) -> dict[str, Any]:
    """Estimate a body for every picture of the chosen splits; returns counts per status."""
    settings = settings_for(MeshSettings, "mesh", "paper", chosen)
    opened = open_data(options, data)
    splits = settings.splits
    for split in splits:
        require_split(opened.dataset, split)
    job = Run(WorkFolder(Path(options.work)), "mesh", options.name, settings.model_dump(), {"dataset": opened.digest})
    if result := complete_already(job, restart=options.restart):
        return result
    with job.begin(restart=options.restart):
        shards = [shard for split in splits for shard in _shards(opened, split)]
        _estimate(job, opened.root, shards, settings, options.threads or cores())
        counts = {split: _join(job, [shard for shard in shards if shard.split == split], settings) for split in splits}
        _draw_sheet(job, opened, splits[0], settings.sheet)
        return job.publish({"status": counts, "sheet": str(job.final / "overlay.png")}).manifest.result


def _shards(data: WorkData, split: str) -> list[Shard]:
    names = [sample.name for sample in data.split(split)]
    return [Shard(split, i // SHARD, tuple(names[i : i + SHARD])) for i in range(0, len(names), SHARD)]


def _folder(job: Run, shard: Shard) -> Path:
    return job.folder / SHARDS / f"{shard.split}-{shard.number:06d}"


def _estimate(job: Run, root: Path, shards: Sequence[Shard], settings: MeshSettings, processes: int) -> None:
    """Estimate the shards that are not there yet; each is written as soon as it is done."""
    waiting = [shard for shard in shards if not _folder(job, shard).exists()]
    total, done = (sum(len(shard.names) for shard in some) for some in (shards, set(shards) - set(waiting)))
    work = partial(estimate_shard, root, settings)
    with console.meter("mesh", total, done) as meter:
        processes = min(processes, max(len(waiting), 1))
        for shard, meshes in zip(waiting, map_shared(work, waiting, processes=processes), strict=True):
            _refuse_missing(shard, meshes, settings)
            temporary = _folder(job, shard).with_suffix(".tmp")
            temporary.mkdir(parents=True, exist_ok=True)
            write_meshes(temporary, shard.split, shard.names, meshes)
            temporary.rename(_folder(job, shard))
            meter.advance(len(shard.names))


def estimate_shard(root: Path, settings: MeshSettings, shard: Shard) -> MeshEstimates:
    """The bodies of a shard's pictures (runs in a process of its own)."""
    estimator = Estimator(
        minimum_score=settings.score_threshold,
        minimum_visibility=settings.visibility_threshold,
        minimum_overlap=settings.overlap_threshold,
        minimum_height=settings.height_threshold,
    )
    return estimator(list(read_crops(root, shard.names)))


def _refuse_missing(shard: Shard, meshes: MeshEstimates, settings: MeshSettings) -> None:
    missing = np.flatnonzero(meshes.status == STATUS.index("fallback"))
    if settings.on_missing == "error" and len(missing):
        raise GclError(
            f"No body was found in {shard.names[missing[0]]}.", "Remove the picture, or use --on-missing fallback."
        )


def _join(job: Run, shards: Sequence[Shard], settings: MeshSettings) -> dict[str, int]:
    """Write a split's table from its shards; returns pictures per status."""
    parts = [read_meshes(_folder(job, shard), shard.split) for shard in shards]
    meshes = join_meshes([part for _, part in parts])
    write_meshes(job.folder, shards[0].split, [name for names, _ in parts for name in names], meshes)
    return {name: int((meshes.status == number).sum()) for number, name in enumerate(STATUS)}


def _draw_sheet(job: Run, data: WorkData, split: str, count: int) -> None:
    """overlay.png: crop, mesh on the crop, the same mesh from the side, for pictures spread over the split."""
    names, meshes = read_meshes(job.folder, split)
    rows = np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int))
    body = load_body()
    rotations = body.world_rotations(meshes.pose[rows])
    vertices = body.skin(rotations, body.place(rotations, meshes.betas[rows]), meshes.betas[rows])
    cells = []
    for row, crop, points in zip(rows, read_crops(data.root, [names[row] for row in rows]), vertices, strict=True):
        camera = meshes.camera[row]
        cells.append([crop.repeat(ZOOM, 0).repeat(ZOOM, 1), overlay(crop, body, points, camera, ZOOM),
                      side_view(crop, body, points, camera, ZOOM)])  # fmt: skip
    triples = [cells[i : i + PEOPLE_PER_ROW] for i in range(0, len(cells), PEOPLE_PER_ROW)]
    write_sheet(job.folder / "overlay.png", [[cell for triple in row for cell in triple] for row in triples])
