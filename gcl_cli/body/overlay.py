"""Looking at an estimate: the mesh on its crop, and the same mesh from the side."""

from collections.abc import Sequence

import numpy as np

from gcl_cli.body.model import Body
from gcl_cli.body.rasterizer import vertex_normals
from gcl_cli.body.rendering import WHITE, draw_with_numpy, shade, to_picture
from gcl_cli.body.rotations import Y_AXIS, about
from gcl_cli.body.silhouette import Surface

OPACITY = 0.65
TINT = np.array([0.55, 0.8, 1.0], np.float32)  # the mesh is bluish, to stand out from clothes


def overlay(crop: np.ndarray, body: Body, vertices: np.ndarray, camera: np.ndarray | Sequence[float]) -> np.ndarray:
    """The mesh drawn half transparent on its crop, [h, w, 3] uint8.

    crop: [h, w, 3] uint8; vertices: [V, 3] metres, camera axes; camera: (scale, tx, ty) in crop pixels.
    """
    mesh = _picture(body, vertices, camera, crop.shape[:2])
    mixed = (1 - OPACITY) * crop + OPACITY * mesh[..., None] * TINT
    return np.where(mesh[..., None] == WHITE, crop, np.rint(mixed).astype(np.uint8))


def side_view(crop: np.ndarray, body: Body, vertices: np.ndarray, camera: np.ndarray | Sequence[float]) -> np.ndarray:
    """The same mesh at the same scale turned by 90 degrees about the vertical, on white [h, w, 3]."""
    centre = vertices.mean(axis=0)
    turned = (vertices - centre) @ about(-Y_AXIS, np.pi / 2).T + centre
    mesh = _picture(body, turned, camera, crop.shape[:2])
    return np.where(mesh[..., None] == WHITE, WHITE, np.rint(mesh[..., None] * TINT)).astype(np.uint8)


def _picture(
    body: Body, vertices: np.ndarray, camera: np.ndarray | Sequence[float], size: tuple[int, ...]
) -> np.ndarray:
    """The mesh [h, w] in grey on white."""
    height, width = size
    points = to_picture(vertices, camera, (height, width), height, width)
    return draw_with_numpy(points, shade(vertex_normals(vertices, body.faces)), Surface.of(body.faces), height, width)
