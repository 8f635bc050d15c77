"""How fast bodies are estimated, drawn, and people made up, in one run.

python recipes/bench_bodies.py            one thread, then a process a core; about two minutes
Pictures are `gcl synth`'s own, 128x64. `beside` is what the figure is compared with in the same run: the bare landmark
network for `gcl mesh`, pyrender (the first of EGL and OSMesa that starts here) for `gcl render`. pyrender's driver may
use threads of its own, so that seconds are those of the clock.
"""

import io
import sys
import time
from collections.abc import Callable, Sequence, Sized
from typing import Any

import numpy as np
from PIL import Image

from gcl_cli import console
from gcl_cli.body.landmarks import INPUT_COLUMNS, INPUT_SIZE, LandmarkRunner
from gcl_cli.body.model import load_body
from gcl_cli.body.pyrender_backend import PLATFORMS, open_backend, probe
from gcl_cli.body.rendering import Draw, draw_with_numpy, render_views, up_axis
from gcl_cli.body.silhouette import Surface
from gcl_cli.config import MeshSettings
from gcl_cli.machine.processes import map_shared
from gcl_cli.machine.system import cores
from gcl_cli.people.estimating import open_estimator
from gcl_cli.people.shards import SIZE
from gcl_cli.synth.population import Shot, by_person, draw, plan

SEED, PEOPLE, REPEATS = 7, 16, 3
ANGLES = range(0, 360, 45)
HEIGHTS = (64, 128, 256)


def main() -> None:
    """Print the table."""
    shots = [shot for person in drawn_by(PEOPLE) for shot in person]
    drawings: list[Any] = []
    pictures = rate(lambda: drawings.extend(draw(shots)), len(shots), repeats=1)
    files, truths = ([drawing[index] for drawing in drawings] for index in (1, 2))
    rows = [{"what": "gcl synth", "a second": pictures, "beside": None}]

    network = LandmarkRunner()
    blank = np.zeros((1, INPUT_SIZE, INPUT_SIZE, 3), np.float32)[:, :, INPUT_COLUMNS]
    looks = rate(lambda: [network(blank) for _ in range(32)], 32)
    crops = rate(lambda: bodies_of(files), len(files))
    rows.append({"what": "gcl mesh, file to body", "a second": crops, "beside": looks})

    platform = next((name for name in PLATFORMS if probe(name) is None), None)
    other = open_backend(platform) if platform else None
    bodies = [posed(truth) for truth in truths[:: len(truths) // PEOPLE]]
    for height in HEIGHTS:
        ours, theirs = (views(bodies, height, backend) if backend else None for backend in (draw_with_numpy, other))
        rows.append({"what": f"gcl render, {height}x{height // 2}", "a second": ours, "beside": theirs})
    for row in rows:
        row["ratio"] = row["a second"] / row["beside"] if row["beside"] else None
    shards = [files[first : first + SIZE] for first in range(0, len(files), SIZE)] * 6 * cores()
    shared = [
        {"what": "gcl synth", "a second": shared_rate(files_of, drawn_by(8 * PEOPLE))},
        {"what": "gcl mesh, file to body", "a second": shared_rate(bodies_of, shards)},
    ]
    console.show_tables(
        {
            f"one thread, beside the landmark network and {platform or 'no pyrender'}": rows,
            f"{cores()} processes": shared,
        }
    )


def rate(job: Callable[[], Any], count: int, repeats: int = REPEATS) -> float:
    """How many of `count` things a second the job does, at its best."""
    best = float("inf")
    for _ in range(repeats):
        begun = time.perf_counter()
        job()
        best = min(best, time.perf_counter() - begun)
    return count / best


def shared_rate(job: Callable[[Any], Sized], parts: Sequence[Any]) -> float:
    """How many results a second the processes give that share the parts, one a core, once they have begun."""
    results = map_shared(job, parts, processes=cores())
    for _ in range(len(parts) // 4):
        next(results)
    begun = time.perf_counter()
    return sum(len(result) for result in results) / (time.perf_counter() - begun)


def files_of(shots: list[Shot]) -> list[bytes]:
    """Pictures of people, drawn."""
    return [file for _, file, _ in draw(shots)]


def bodies_of(files: list[bytes]) -> np.ndarray:
    """Poses [N, 22, 3] of the people in JPEG files."""
    return open_estimator(MeshSettings(), "cpu")([decoded(file) for file in files]).pose


def drawn_by(people: int) -> list[list[Shot]]:
    """The shots of each of so many people."""
    return by_person(plan(ids=people, cameras=4, images=2, shift=0.65, seed=SEED, distractors=0))


def decoded(file: bytes) -> np.ndarray:
    """The picture in a JPEG file."""
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def posed(truth: Any) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and camera of a drawn person."""
    body = load_body()
    world, betas = body.world_rotations(truth.pose[None]), truth.betas[None]
    return body.skin(world, body.place(world, betas), betas)[0], truth.camera


def views(bodies: list[tuple[np.ndarray, np.ndarray]], height: int, backend: Draw) -> float:
    """Views a second of a backend, shading included."""
    surface = Surface.of(load_body().faces)

    def job() -> None:
        for vertices, camera in bodies:
            render_views(
                surface, vertices, camera, (128, 64), ANGLES, up=up_axis(load_body(), vertices),
                height=height, width=height // 2, recentre=True, draw=backend,
            )  # fmt: skip

    return rate(job, len(bodies) * len(ANGLES))


if __name__ == "__main__":
    sys.exit(main())
