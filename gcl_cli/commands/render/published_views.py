"""Rendered pictures from another program, and for others: one file a view in the published layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gcl_cli import console
from gcl_cli.artifacts.sheets import marked
from gcl_cli.artifacts.view_folders import file_names, read_view, view_folder
from gcl_cli.artifacts.view_store import ViewStore, compress
from gcl_cli.body.estimator import fallback_pose
from gcl_cli.body.model import load_body
from gcl_cli.body.pose import MEAN_SHAPE
from gcl_cli.body.rendering import PICTURE_UP, render_views, touches_border
from gcl_cli.body.silhouette import Surface
from gcl_cli.commands.render.drawing import DrawnViews
from gcl_cli.config import RenderSettings
from gcl_cli.datasets.decoding import picture_sizes


@dataclass(frozen=True)
class GivenViews:
    """Some pictures of a data set and the files of their views, one an angle; None: it has none."""

    names: tuple[str, ...]
    files: tuple[tuple[Path, ...] | None, ...]

    def __len__(self) -> int:
        return len(self.names)


def read_given(root: Path, settings: RenderSettings, given: GivenViews) -> list[DrawnViews]:
    """The compressed views of some pictures of the data set `root`, and which of them touch the border.

    A standing body is drawn where a picture has none (runs in a process of its own).
    """
    rows = []
    for name, files in zip(given.names, given.files, strict=True):
        if files is None:
            pictures, clipped = _standing(picture_sizes(root, [name])[0], settings)
        else:
            pictures = np.stack([read_view(file, settings.height, settings.width) for file in files])
            clipped = touches_border(pictures)
        rows.append(DrawnViews(list(map(compress, pictures)), clipped))
    return rows


def export_views(stores: dict[str, ViewStore], target: Path) -> int:
    """Write every stored view as a file of its own under `target`; returns their number.

    They are PNG data under the name of the picture, ending included, as the published code looks them up; readers
    go by the content. Nothing is decoded: the bytes are copied.
    """
    shared: dict[Path, list[str]] = {}
    for split, store in stores.items():
        shared.setdefault(view_folder(split, 0).parent, []).extend(store.names)
    named = {folder: file_names(names) for folder, names in shared.items()}
    total = sum(len(store.names) for store in stores.values())
    with console.meter("export", total) as meter:
        for split, store in stores.items():
            files = named[view_folder(split, 0).parent]
            for row, name in enumerate(store.names):
                _write_row(store, row, [target / view_folder(split, angle) / files[name] for angle in store.angles])
                meter.advance()
    return sum(len(store.names) * len(store.angles) for store in stores.values())


def _write_row(store: ViewStore, row: int, paths: Sequence[Path]) -> None:
    for angle_index, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(marked(store.png(row, angle_index)))


def _standing(size: tuple[int, int], settings: RenderSettings) -> tuple[np.ndarray, np.ndarray]:
    """The views of a standing body in a crop of `size` (height, width)."""
    body = load_body()
    pose, camera = fallback_pose(*size)
    rotations = body.world_rotations(pose[None])
    vertices = body.skin(rotations, body.place(rotations, MEAN_SHAPE), MEAN_SHAPE)[0]
    return render_views(
        Surface.of(body.faces), vertices, camera, size, settings.angles,
        up=PICTURE_UP, height=settings.height, width=settings.width, recentre=settings.recentre,
    )  # fmt: skip
