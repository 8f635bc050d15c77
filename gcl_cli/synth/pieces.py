"""Extra geometry as plain shapes: pieces that are worn, with their vertices, faces, places and cover."""

from dataclasses import dataclass

import numpy as np

from gcl_cli.synth.garments import Cover

PLACE_COLUMNS = 8


@dataclass(frozen=True, eq=False)
class Piece:
    """A mesh that is all of one cover: U vertices in camera axes, F faces."""

    vertices: np.ndarray  # [U, 3] float32
    faces: np.ndarray  # [F, 3]
    places: np.ndarray  # [U, 8], the columns of `Places`: where its pattern is looked up
    cover: Cover


def piece(vertices: np.ndarray, faces: np.ndarray, cover: Cover, positions: np.ndarray | None = None) -> Piece:
    """A piece whose pattern is looked up at `positions` [U, 3] (across, back, height); None: its own vertices."""
    places = np.zeros((len(vertices), PLACE_COLUMNS), np.float32)
    places[:, :3] = vertices[:, [0, 2, 1]] * [1, 1, -1] if positions is None else positions
    return Piece(vertices.astype(np.float32), faces, places, cover)


def grid_faces(rows: int, columns: int, *, closed: bool) -> np.ndarray:
    """Two triangles [F, 3] for every cell of a grid of vertices; `closed` joins the last column to the first."""
    row, column = np.arange(rows - 1)[:, None], np.arange(columns if closed else columns - 1)[None]
    here, beside = (row * columns + column).ravel(), (row * columns + (column + 1) % columns).ravel()
    below, across = here + columns, beside + columns
    return np.concatenate([np.stack([here, below, beside], 1), np.stack([beside, below, across], 1)])


def pillow(centre: np.ndarray, radii: tuple[float, float, float], *, roundness: float, cover: Cover) -> Piece:
    """A superellipsoid about `centre` [3]: `roundness` 1 gives an ellipsoid, towards 0 a box. Radii in metres."""
    rows, columns = 9, 14
    polar = np.linspace(1e-3, np.pi - 1e-3, rows)[:, None]
    around = np.arange(columns)[None] * 2 * np.pi / columns
    sine, cosine = _power(np.sin(polar), roundness), _power(np.cos(polar), roundness)
    right = sine * _power(np.cos(around), roundness) * radii[0]
    away = sine * _power(np.sin(around), roundness) * radii[2]
    down = -cosine * radii[1] + 0 * around
    vertices = np.stack([right, down, away], -1).reshape(-1, 3) + centre
    return piece(vertices, grid_faces(rows, columns, closed=True), cover)


def cord(path: np.ndarray, radii: np.ndarray, cover: Cover) -> Piece:
    """A round cord of `radii` [R] metres along the points `path` [R, 3], which must not run level to the right."""
    columns = 8
    along = np.gradient(path, axis=0)
    right = np.cross(along, [1.0, 0, 0])
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    other = np.cross(along, right)
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    angle = np.arange(columns)[None, :, None] * 2 * np.pi / columns
    around = np.cos(angle) * right[:, None] + np.sin(angle) * other[:, None]  # [R, columns, 3]
    vertices = path[:, None] + radii[:, None, None] * around
    return piece(vertices.reshape(-1, 3), grid_faces(len(path), columns, closed=True), cover)


def _power(values: np.ndarray, exponent: float) -> np.ndarray:
    return np.sign(values) * np.abs(values) ** exponent
