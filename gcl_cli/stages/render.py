"""`gcl render`: bodies -> grey pictures from several sides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from gcl_cli import console
from gcl_cli.artifacts.formats import read_meshes, write_names
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import Artifact, read_artifact
from gcl_cli.artifacts.run import Run
from gcl_cli.artifacts.sheets import write_sheet
from gcl_cli.artifacts.view_store import ViewStore, compress, write_views
from gcl_cli.body.model import load_body
from gcl_cli.body.pyrender_backend import choose_backend, open_backend
from gcl_cli.body.views import Draw, render_views
from gcl_cli.config import RenderSettings
from gcl_cli.datasets.decoding import picture_sizes
from gcl_cli.presets import settings_for
from gcl_cli.records import MeshEstimates, RunOptions
from gcl_cli.workflow.data import WorkData, open_data
from gcl_cli.workflow.following import complete_already
from gcl_cli.workflow.sharing import cores, map_shared

CHUNK = 16  # pictures a work unit
SHEET_PEOPLE = 4


@dataclass(frozen=True)
class Bodies:
    """Some rows of a mesh table, with the sizes of their crops."""

    meshes: MeshEstimates
    sizes: tuple[tuple[int, int], ...]


def run(options: RunOptions, meshes: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """Draw every body of every estimated split; returns counts and the share of clipped pictures."""
    settings = settings_for(RenderSettings, "render", "paper", chosen)
    opened = open_data(options, None)
    work = WorkFolder(Path(options.work))
    source = read_artifact(work, f"mesh/{meshes}")
    backend, reason = choose_backend(settings.backend)
    config = {"meshes": source.reference, **settings.model_dump(), "backend": backend}
    inputs = {"dataset": opened.digest, source.reference: source.manifest.digest}
    job = Run(work, "render", options.name, config, inputs)
    if result := complete_already(job, restart=options.restart):
        return result
    console.say(f"Drawing with {backend}: {reason}")
    with job.begin(restart=options.restart):
        splits = source.config["splits"]
        rows = [_draw_split(job, opened, source, split, settings, backend, options) for split in splits]
        _draw_sheet(job, splits[0], settings)
        return job.publish({"views": rows, "sheet": str(job.final / "sheet.png")}).manifest.result


def _draw_split(
    job: Run, data: WorkData, source: Artifact, split: str, settings: RenderSettings, backend: str, options: RunOptions
) -> dict[str, Any]:
    """Draw one split into the job's folder; returns its row of the result."""
    names, meshes = read_meshes(source.folder, split)
    chunks = list(_chunks(meshes, picture_sizes(data.root, names)))
    clipped = np.zeros(len(settings.angles))

    def pictures() -> Iterator[list[bytes]]:
        work = partial(draw_bodies, settings, backend)
        with console.meter(f"render {split}", len(names)) as meter:
            for drawn in map_shared(work, chunks, processes=min(options.threads or cores(), len(chunks))):
                for row, touches in drawn:
                    clipped[:] += touches
                    yield row
                meter.advance(len(drawn))

    size = write_views(job.folder, split, pictures())
    write_names(job.folder, split, names)
    shares = {str(angle): float(share) for angle, share in zip(settings.angles, clipped / len(names), strict=True)}
    return {"split": split, "pictures": len(names), "megabytes": size / 1e6, "clipped": shares}


def _chunks(meshes: MeshEstimates, sizes: Sequence[tuple[int, int]]) -> Iterator[Bodies]:
    """The table in work units."""
    for start in range(0, len(meshes), CHUNK):
        part = slice(start, start + CHUNK)
        columns = {name: getattr(meshes, name)[part] for name in MeshEstimates.__dataclass_fields__}
        yield Bodies(MeshEstimates(**columns), tuple(sizes[part]))


def draw_bodies(settings: RenderSettings, backend: str, bodies: Bodies) -> list[tuple[list[bytes], np.ndarray]]:
    """The compressed views of some bodies, and which of them touch the border (runs in a process of its own)."""
    body = load_body()
    rotations = body.world_rotations(bodies.meshes.pose)
    vertices = body.skin(rotations, body.place(rotations, bodies.meshes.betas), bodies.meshes.betas)
    drawn = []
    for points, camera, size in zip(vertices, bodies.meshes.camera, bodies.sizes, strict=True):
        pictures, clipped = render_views(
            body, points, camera, size, settings.angles, height=settings.height, width=settings.width,
            turn=settings.turn, recentre=settings.recentre, draw=_draw(backend),
        )  # fmt: skip
        drawn.append(([compress(picture) for picture in pictures], clipped))
    return drawn


@cache
def _draw(backend: str) -> Draw:
    """The drawing function, opened once a process."""
    return open_backend(backend)


def _draw_sheet(job: Run, split: str, settings: RenderSettings) -> None:
    """sheet.png: some people from all sides."""
    store = ViewStore(job.folder, split, settings.angles, (settings.height, settings.width))
    rows = np.unique(np.linspace(0, len(store.names) - 1, min(SHEET_PEOPLE, len(store.names))).round().astype(int))
    pictures = [[store.picture(int(row), a) for a in range(len(settings.angles))] for row in rows]
    write_sheet(job.folder / "sheet.png", pictures, captions=[str(angle) for angle in settings.angles])
