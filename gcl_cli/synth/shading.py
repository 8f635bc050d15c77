"""Light on a posed person: which point each pixel shows, what covers it and how bright it is."""

import numpy as np

from gcl_cli.body.rasterizer import rasterize, vertex_normals
from gcl_cli.synth.cameras import Camera
from gcl_cli.synth.figures import BY_PLACE
from gcl_cli.synth.garments import IS_GLOSSY, covers
from gcl_cli.synth.patterns import albedo, folds
from gcl_cli.synth.posing import CANVAS, Framing, PosedFigure
from gcl_cli.synth.template import Places

_TO_VIEWER = np.array([0, 0, -1], np.float32)


def shade(posed: PosedFigure, framing: Framing, taken_by: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Where the person is seen, bool [H, W] of the canvas, and the linear light [P, 3] of those pixels, row by row."""
    points = framing.project(posed.vertices)
    points[:, 2] = -1 / points[:, 2]  # linear on the screen
    kept = np.flatnonzero((posed.face_cover != BY_PLACE) | _facing(points, posed.faces))
    face_index, barycentric, _ = rasterize(points, posed.faces[kept], *CANVAS)
    seen = face_index >= 0
    face, shares = kept[face_index[seen]], barycentric[seen]
    normals = vertex_normals(posed.vertices, posed.faces)
    values = _interpolate(np.concatenate([normals, posed.places], 1), posed.faces[face], shares)
    places = Places.from_columns(values[:, 3:])
    fixed = posed.face_cover[face]
    by_place = fixed == BY_PLACE
    cover = np.where(by_place, covers(posed.look, places), fixed)
    positions = places.positions()
    normal = _faced(values[:, :3], ~by_place) + folds(posed.look, cover, positions)
    normal = _unit(normal)
    colours = albedo(posed.look, cover, places) ** np.float32(2.2)
    return seen, _lit(colours, normal, cover, posed.up, taken_by)


def _facing(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Whether each face [F, 3] turns its outside to the viewer; `points` [U, 3] on the screen, y down."""
    x, y = points[:, 0][faces.T], points[:, 1][faces.T]  # [3, F]
    return (x[1] - x[0]) * (y[2] - y[0]) < (x[2] - x[0]) * (y[1] - y[0])


def _interpolate(values: np.ndarray, corners: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Vertex values [U, C] at points with their triangles' vertices [P, 3] and barycentric shares [P, 3]: [P, C]."""
    total = values.take(corners[:, 0], axis=0) * shares[:, :1]
    total += values.take(corners[:, 1], axis=0) * shares[:, 1:2]
    total += values.take(corners[:, 2], axis=0) * shares[:, 2:]
    return total


def _faced(normals: np.ndarray, two_sided: np.ndarray) -> np.ndarray:
    """Unit normals [P, 3]; those of open shells are turned to the viewer."""
    normals = _unit(normals)
    normals[two_sided & (normals[:, 2] > 0)] *= -1
    return normals


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [P, 3] of unit length; einsum, for a reduction over so short an axis is slow."""
    squares = np.einsum("pc,pc->p", vectors, vectors)
    return vectors / np.sqrt(squares + np.float32(1e-12))[:, None]


def _lit(colours: np.ndarray, normals: np.ndarray, cover: np.ndarray, up: np.ndarray, taken_by: Camera) -> np.ndarray:
    """Linear light [P, 3]: one lamp, light from all around that is stronger from above, a little gloss."""
    light = np.array(taken_by.light, np.float32)
    diffuse = np.float32(taken_by.key) * np.clip(normals @ light, 0, 1)
    around = np.float32(taken_by.ambient) * (np.float32(0.62) + np.float32(0.38) * (normals @ up))
    halfway = light + _TO_VIEWER
    halfway /= np.linalg.norm(halfway)
    gloss = np.float32(0.06) * np.clip(normals @ halfway, 0, 1) ** 18 * IS_GLOSSY[cover]
    return colours * np.float32(1.25) * (diffuse + around)[:, None] + gloss[:, None]
