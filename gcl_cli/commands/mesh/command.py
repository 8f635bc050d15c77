"""`gcl mesh`: crops -> bodies."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gcl_cli import console
from gcl_cli.artifacts.formats import MESH_COLUMNS, join_meshes, read_meshes, read_names, write_meshes
from gcl_cli.artifacts.run import SHARDS, Run
from gcl_cli.artifacts.sheets import Cell, scaled, write_sheet
from gcl_cli.artifacts.vertex_tables import VertexMeshes, read_vertices, write_vertices
from gcl_cli.body.model import load_body
from gcl_cli.body.overlay import overlay, side_view
from gcl_cli.commands.mesh.given_meshes import (
    GivenMeshes,
    GivenShard,
    Pairs,
    open_given,
    paired,
    read_given,
    write_stand_in,
)
from gcl_cli.commands.mesh.mesh_export import EXPORT, export_meshes
from gcl_cli.config import MeshSettings
from gcl_cli.config.presets import settings_for
from gcl_cli.datasets.dataset import require_split
from gcl_cli.datasets.decoding import read_crop
from gcl_cli.errors import GclError, first_few
from gcl_cli.following.loop import complete_already
from gcl_cli.people.bodies import STATUS, read_bodies
from gcl_cli.people.data import WorkData, open_data
from gcl_cli.people.estimating import estimate_shard
from gcl_cli.people.kept_rows import gathering, kept_rows
from gcl_cli.people.shards import Shard, in_shards, shard_folder, split_shards, work_through
from gcl_cli.records import MeshEstimates
from gcl_cli.session import Session

GPU_PROCESSES = 4  # they cut and fit on a core each; the network of each takes half a gigabyte of the GPU
NAMED = 10  # pictures or meshes without a counterpart that are named
SHEET_HEIGHT = 256  # of a crop on the sheet, in pixels
PEOPLE_PER_ROW = 4


def run(session: Session, data: str | None, chosen: dict[str, Any]) -> dict[str, Any]:
    """Estimate a body for every picture of the chosen splits, or take given meshes; returns counts per status."""
    settings = settings_for(MeshSettings, "mesh", "paper", chosen)
    opened = open_data(session, data)
    for split in settings.splits:
        require_split(opened.dataset, split)
    given = open_given(Path(settings.meshes)) if settings.meshes else None
    inputs = {"dataset": opened.digest} | ({"meshes": given.digest} if given else {})
    # An export is a copy: it can follow later, and the artifact is the same with and without it.
    job = Run(session.folder, "mesh", session.name, settings.model_dump(exclude={"export"}), inputs)
    result = complete_already(job, restart=session.restart)
    if result is None:
        result = _make(job, opened, given, settings, session)
    if settings.export != "none":
        export_meshes(job.final, settings.splits, settings.export, processes=session.processes)
        result = {**result, "export": str(job.final / EXPORT)}
    return result


def _make(
    job: Run, data: WorkData, given: GivenMeshes | None, settings: MeshSettings, session: Session
) -> dict[str, Any]:
    """Fill and publish the artifact; returns its result."""
    device = session.open_device()
    processes = session.processes
    with job.begin(restart=session.restart):
        if given is not None:
            result = _take(job, data, given, settings, processes)
        else:
            processes = processes if device.type == "cpu" else min(processes, GPU_PROCESSES)
            result = _estimate(job, data, settings, str(device), processes)
        if settings.sheet:
            _draw_sheet(job, data, settings.splits[0], settings.sheet)
            result["sheet"] = str(job.final / "overlay.png")
        return job.publish(result).manifest.result


def _estimate(job: Run, data: WorkData, settings: MeshSettings, device: str, processes: int) -> dict[str, Any]:
    """Estimate all bodies that no earlier artifact has; returns the pictures per status of every split."""

    def write(folder: Path, shard: Shard, meshes: MeshEstimates) -> None:
        missing = np.flatnonzero(meshes.status == STATUS.index("fallback"))
        if settings.on_missing == "error" and len(missing):
            name = shard.names[missing[0]]
            raise GclError(f"No body was found in {name}.", "Remove the picture, or use --on-missing fallback.")
        write_meshes(folder, shard.split, shard.names, meshes)

    kept = {split: kept_rows(job.work, job.takes_over, data.digest, split) for split in settings.splits}
    fresh = {split: [name for name in data.names(split) if name not in kept[split]] for split in settings.splits}
    shards = {split: in_shards(split, fresh[split]) for split in settings.splits}
    everything = [shard for mine in shards.values() for shard in mine]
    work_through(job, everything, partial(estimate_shard, data.root, settings, device), write, processes=processes)
    counts = {}
    for split, mine in shards.items():
        meshes = _gathered(job, data, mine, kept[split], split)
        write_meshes(job.folder, split, data.names(split), meshes)
        counts[split] = _per_status(meshes.status)
    return {"status": counts} | ({"new_pictures": sum(map(len, fresh.values()))} if job.takes_over else {})


def _gathered(job: Run, data: WorkData, shards: list[Shard], kept: dict[str, int], split: str) -> MeshEstimates:
    """The estimates of a split, in order: those that are kept from an earlier artifact, and the shards' new ones."""
    before = [read_meshes(job.takes_over.folder, split)[1]] if job.takes_over and kept else []
    joined = join_meshes(before + [read_meshes(shard_folder(job, shard), split)[1] for shard in shards])
    rows = gathering(data.names(split), kept, sum(map(len, before)))
    return MeshEstimates(**{column: getattr(joined, column)[rows] for column in MESH_COLUMNS})


def _take(job: Run, data: WorkData, given: GivenMeshes, settings: MeshSettings, processes: int) -> dict[str, Any]:
    """Take the given meshes; returns the pictures per status of every split, and what has no counterpart."""
    scratch = job.folder / SHARDS / "given"
    scratch.mkdir(parents=True, exist_ok=True)
    pairs = paired([name for split in data.dataset.splits for name in data.names(split)], given.places(scratch))
    unpaired = _unpaired(pairs, [name for split in settings.splits for name in data.names(split)], settings)
    faces = write_stand_in(scratch, list(pairs.places.values())).faces

    def write(folder: Path, shard: GivenShard, meshes: VertexMeshes) -> None:
        write_vertices(folder, shard.split, shard.names, faces, [meshes])

    shards = [pairs.shard(shard) for split in settings.splits for shard in in_shards(split, data.names(split))]
    make = partial(read_given, data.root, scratch, settings.mesh_axes)
    work_through(job, shards, make, write, processes=processes)
    counts = {}
    for split, mine in split_shards(shards):
        parts = (read_vertices(shard_folder(job, shard), split, range(len(shard.names))) for shard in mine)
        counts[split] = _per_status(write_vertices(job.folder, split, data.names(split), faces, parts))
    return {"status": counts, **unpaired}


def _unpaired(pairs: Pairs, wanted: list[str], settings: MeshSettings) -> dict[str, Any]:
    """What has no counterpart, for the result; GclError when nothing has one, or --on-missing says so."""
    bare = [name for name in wanted if name not in pairs.places]
    if len(bare) == len(wanted):
        raise GclError(
            f"--meshes {settings.meshes}: no mesh has the name of a picture (the first is {pairs.unused[0]}).",
            f"Name meshes as the pictures are named, with or without the folders: {Path(wanted[0]).stem}.obj",
        )
    if bare and settings.on_missing == "error":
        raise GclError(
            f"{len(bare)} pictures have no mesh: {first_few(bare, NAMED)}.", "Add them, or use --on-missing fallback."
        )
    if bare:
        console.warn(f"{len(bare)} pictures have no mesh and get a standing-in one: {first_few(bare, NAMED)}")
    if pairs.unused:
        console.warn(f"{len(pairs.unused)} meshes belong to no picture: {first_few(pairs.unused, NAMED)}")
    kinds = {"pictures_without_mesh": bare, "meshes_without_picture": pairs.unused}
    return {kind: {"number": len(names), "first": names[:NAMED]} for kind, names in kinds.items()}


def _per_status(status: np.ndarray) -> dict[str, int]:
    return {name: int((status == number).sum()) for number, name in enumerate(STATUS)}


def _draw_sheet(job: Run, data: WorkData, split: str, count: int) -> None:
    """overlay.png: crop, mesh on the crop, the same mesh from the side, for pictures spread over the split."""
    names = read_names(job.folder, split)
    rows = np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)).tolist()
    bodies = read_bodies(job.folder, split, rows)
    body = load_body() if bodies.own else replace(load_body(), faces=bodies.faces)  # nothing but its faces is drawn
    cells = []
    for row, vertices, camera in zip(rows, bodies.vertices, bodies.camera, strict=True):
        crop = read_crop(data.root, names[row])
        shown = scaled(crop, SHEET_HEIGHT)
        camera = camera * len(shown) / len(crop)
        pictures = shown, overlay(shown, body, vertices, camera), side_view(shown, body, vertices, camera)
        cells += [Cell(picture) for picture in pictures]
    across = 3 * PEOPLE_PER_ROW
    headings = ("crop", "body", "from the side") * min(PEOPLE_PER_ROW, len(rows))
    write_sheet(
        job.folder / "overlay.png", [cells[i : i + across] for i in range(0, len(cells), across)], headings=headings
    )
