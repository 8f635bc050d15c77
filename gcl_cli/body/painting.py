"""Turned views of a person in the colours of their own photograph: what it shows of the body is painted onto the body.

The mesh says where every pixel of the person lies on the body, and so where it is seen from another side. What the
photograph does not show takes the colour of the nearest place of the body that it does show.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.ndimage import map_coordinates, maximum_filter
from scipy.spatial import cKDTree

from gcl_cli.body.model import load_body
from gcl_cli.body.rasterizer import nearest, vertex_normals
from gcl_cli.body.rendering import faces_viewer, to_picture, turned_points
from gcl_cli.body.silhouette import Surface, coverage

STEEPEST = 0.5  # cosine between view and surface from which a colour is trusted: at the rim is the background
NEARER = 0.03  # share of the picture's height by which a vertex may lie behind what is drawn in front of it
ROOM = 64  # a person's cut-out is wider than the naked body by one pixel for so many rows of the picture
FEWEST = 50  # vertices with a trusted colour below which all that are visible count
# How far apart two places of the body are for clothing: its front and back are alike, and so are left and right.
THROUGH, THROUGH_HEAD, ACROSS = 0.35, 1.0, 0.1


def paint_views(
    photograph: np.ndarray,
    surface: Surface,
    vertices: np.ndarray,
    camera: np.ndarray | Sequence[float],
    crop_size: tuple[int, int],
    angles: Sequence[float],
    *,
    up: np.ndarray,
    recentre: bool,
    places: np.ndarray,
) -> np.ndarray:
    """The person of a photograph [H, W, 3] uint8 seen from `angles`: [A, H, W, 4] uint8, colour and opacity.

    The photograph is the crop resized; everything else as for `body.views.render_views`, with whose views of the same
    size these agree to the pixel. At 0 degrees it is the photograph itself, where the person is.
    places: [V, K] see `body_places`.
    """
    height, width = photograph.shape[:2]
    own = to_picture(vertices, camera, crop_size, height, width)
    colours = seen_colours(photograph, own, vertex_normals(vertices, surface.faces), surface, places)
    points, _ = turned_points(vertices, camera, crop_size, angles, up=up, height=height, width=width, recentre=recentre)
    views = [_drawn(view, colours, surface, height, width) for view in points]
    for index in np.flatnonzero(np.asarray(angles) % 360 == 0):
        opaque = maximum_filter(views[index][..., 3], size=2 * round(height / ROOM) + 1)
        views[index] = np.dstack([photograph * (opaque[..., None] > 0), opaque])  # nothing of what is behind them
    return np.stack(views)


def seen_colours(
    photograph: np.ndarray, points: np.ndarray, normals: np.ndarray, surface: Surface, places: np.ndarray
) -> np.ndarray:
    """The colour [V, 3] float32 of every vertex at `points` [V, 3] (pixel x, y, depth) of the photograph [H, W, 3].

    Where the photograph does not show it well, the colour of the nearest of `places` [V, K] that is shown well.
    """
    height, width = photograph.shape[:2]
    front = faces_viewer(points, surface)
    found = nearest(points, surface.corners[:, front], height, width)
    depth = np.full(height * width, np.inf, np.float32)
    depth[found.pixel] = found.depth
    x, y = points[:, 0], points[:, 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    pixel = np.clip(y.astype(int), 0, height - 1) * width + np.clip(x.astype(int), 0, width - 1)
    visible = inside & (points[:, 2] <= depth[pixel] + NEARER * height)
    shown = visible & (normals[:, 2] < -STEEPEST)
    if shown.sum() < FEWEST:
        shown = visible if visible.any() else np.ones_like(visible)
    at = np.stack([y, x]) - 0.5
    colours = np.stack(
        [map_coordinates(photograph[..., c].astype(np.float32), at, order=1, mode="nearest") for c in range(3)], axis=1
    )
    hidden = np.flatnonzero(~shown)
    donors = np.flatnonzero(shown)
    colours[hidden] = colours[donors[cKDTree(places[donors]).query(places[hidden])[1]]]
    return colours


@cache
def body_places() -> np.ndarray:
    """A place [V, 4] for every vertex of gcl's own body, near to where clothes and hair have the same colour."""
    body = load_body()
    rest = body.mean_points[: len(body.segments)]
    head = body.dense_weights[:, [i for i, name in enumerate(body.bone_names) if name in ("head", "neck")]].sum(axis=1)
    return _places(rest, np.where(head > 0.5, THROUGH_HEAD, THROUGH))


def mesh_places(vertices: np.ndarray) -> np.ndarray:
    """The same for a body whose parts are unknown, from its posed `vertices` [V, 3] in camera axes."""
    return _places(vertices - vertices.mean(axis=0), np.full(len(vertices), THROUGH))


def _places(points: np.ndarray, through: np.ndarray) -> np.ndarray:
    x, y, z = points.T
    return np.stack([np.abs(x), y, z * through, ACROSS * np.sign(x)], axis=1).astype(np.float32)


def _drawn(points: np.ndarray, colours: np.ndarray, surface: Surface, height: int, width: int) -> np.ndarray:
    """A painted body at `points` [V, 3] as [H, W, 4] uint8; colours reach over the rim, where it covers a part."""
    front = faces_viewer(points, surface)
    share = coverage(points, surface, front, height, width)
    corners = surface.corners[:, front]
    found = nearest(points, corners, height, width)
    of_corners = colours.take(corners.take(found.triangle, axis=1), axis=0)  # [3, P, 3]
    picture = np.zeros((height * width, 4), np.float32)
    picture[found.pixel, :3] = np.einsum("cp,cpk->pk", found.barycentric, of_corners)
    picture[found.pixel, 3] = 1
    picture = _over_the_rim(picture.reshape(height, width, 4), share > 0)
    picture[..., 3] = share * 255
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


def _over_the_rim(picture: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """`picture` [H, W, 4] (colour, known or not); what is `wanted` gets the mean of what is known beside it."""
    rows, columns = np.nonzero(wanted & (picture[..., 3] == 0))
    padded = np.pad(picture * picture[..., 3:], ((1, 1), (1, 1), (0, 0)))
    sums = np.sum([padded[rows + i, columns + j] for i in range(3) for j in range(3)], axis=0)
    picture[rows, columns, :3] = sums[:, :3] / np.maximum(sums[:, 3:], 1)
    return picture
