"""Bodies of a mesh artifact -> compressed views; what the processes of `gcl render` do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gcl_cli.artifacts.view_store import compress
from gcl_cli.body.model import load_body
from gcl_cli.body.painting import body_places, mesh_places, view_flows
from gcl_cli.body.pyrender_backend import open_backend
from gcl_cli.body.rendering import PICTURE_UP, Draw, long_axis, render_views, up_axis
from gcl_cli.body.silhouette import Surface
from gcl_cli.config import RenderSettings
from gcl_cli.datasets.decoding import picture_sizes
from gcl_cli.people.bodies import read_bodies

PAINTED_SPLIT = "train"  # painted views are learned from; nobody else asks for them


class DrawnViews(NamedTuple):
    """What is drawn of one picture."""

    grey: list[bytes]  # compressed, one an angle
    clipped: np.ndarray  # [angles] bool, which of them touch the border
    flows: Sequence[bytes] = ()  # compressed, one an angle; none where nobody asked for them


@dataclass(frozen=True)
class MeshRows:
    """Some rows of a mesh artifact."""

    folder: Path
    split: str
    rows: tuple[int, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


def draw_bodies(root: Path, settings: RenderSettings, backend: str, some: MeshRows) -> list[DrawnViews]:
    """The compressed views of some bodies (runs in a process of its own)."""
    bodies = read_bodies(some.folder, some.split, some.rows)
    surface, drawn = Surface.of(bodies.faces), []
    sizes = picture_sizes(root, some.names)
    for vertices, camera, size in zip(bodies.vertices, bodies.camera, sizes, strict=True):
        up = _axis(vertices, settings, own=bodies.own)
        pictures, clipped = render_views(
            surface, vertices, camera, size, settings.angles, up=up,
            height=settings.height, width=settings.width, recentre=settings.recentre, draw=_draw(backend),
        )  # fmt: skip
        flows: Iterable[np.ndarray] = ()
        if settings.paint_height and some.split == PAINTED_SPLIT:
            flows = view_flows(
                painted_size(settings), surface, vertices, camera, size, settings.angles, up=up,
                recentre=settings.recentre, places=body_places() if bodies.own else mesh_places(vertices),
            )  # fmt: skip
        drawn.append(DrawnViews(list(map(compress, pictures)), clipped, list(map(compress, flows))))
    return drawn


def painted_size(settings: RenderSettings) -> tuple[int, int]:
    """Height and width of painted views: as asked for, but no larger than the grey ones."""
    height = min(settings.paint_height, settings.height)
    return height, max(1, round(settings.width * height / settings.height))


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
