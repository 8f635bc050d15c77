"""Bodies of a mesh artifact -> compressed views; what the processes of `gcl render` do."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from gcl_cli.artifacts.view_store import compress
from gcl_cli.body.model import load_body
from gcl_cli.body.pyrender_backend import open_backend
from gcl_cli.body.silhouette import Surface
from gcl_cli.body.views import PICTURE_UP, Draw, long_axis, render_views, up_axis
from gcl_cli.config import RenderSettings
from gcl_cli.datasets.decoding import picture_sizes
from gcl_cli.workflow.meshes.bodies import read_bodies

Views = tuple[list[bytes], np.ndarray]  # one picture's compressed views, and which of them touch the border


@dataclass(frozen=True)
class MeshRows:
    """Some rows of a mesh artifact."""

    folder: Path
    split: str
    first: int
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


def draw_bodies(root: Path, settings: RenderSettings, backend: str, rows: MeshRows) -> list[Views]:
    """The compressed views of some bodies, and which of them touch the border (runs in a process of its own)."""
    bodies = read_bodies(rows.folder, rows.split, range(rows.first, rows.first + len(rows)))
    surface, drawn = Surface.of(bodies.faces), []
    sizes = picture_sizes(root, rows.names)
    for vertices, camera, size in zip(bodies.vertices, bodies.camera, sizes, strict=True):
        pictures, clipped = render_views(
            surface, vertices, camera, size, settings.angles, up=_axis(vertices, settings, own=bodies.own),
            height=settings.height, width=settings.width, recentre=settings.recentre, draw=_draw(backend),
        )  # fmt: skip
        drawn.append(([compress(picture) for picture in pictures], clipped))
    return drawn


def _axis(vertices: np.ndarray, settings: RenderSettings, *, own: bool) -> np.ndarray:
    """The axis [3] that a body turns about; `own`: it has the parts of gcl's own body."""
    # Paper: bodies turn about the picture's vertical. Here: about their own up axis, since estimates lean in depth.
    if settings.turn == "camera":
        return PICTURE_UP
    return up_axis(load_body(), vertices) if own else long_axis(vertices)


@cache
def _draw(backend: str) -> Draw:
    """The drawing function, opened once a process."""
    return open_backend(backend)
