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

    The photograph is the crop resized; everything else as for `rendering.render_views`, with whose views of one size
    these agree to the pixel. At 0 degrees it is the photograph itself, where the person is.
    places: [V, K] see `body_places`.
    """
    return traced_views(
        photograph, surface, vertices, camera, crop_size, angles, up=up, recentre=recentre, places=places
    )[..., :4]


def traced_views(
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
    """`paint_views` with a fifth channel, [A, H, W, 5] uint8: how far the photograph itself shows what is painted.

    255 where it does, 0 where the colour is that of another place of the body or where there is no body.
    """
    height, width = photograph.shape[:2]
    own = to_picture(vertices, camera, crop_size, height, width)
    colours, shown = seen_colours(photograph, own, vertex_normals(vertices, surface.faces), surface, places)
    points, _ = turned_points(vertices, camera, crop_size, angles, up=up, height=height, width=width, recentre=recentre)
    values = np.column_stack([colours, 255 * shown.astype(np.float32)])
    views = [_drawn(view, values, surface, height, width) for view in points]
    for index in np.flatnonzero(np.asarray(angles) % 360 == 0):
        opaque = maximum_filter(views[index][..., 3], size=2 * round(height / ROOM) + 1)
        there = opaque > 0
        cut_out = photograph * there[..., None]  # nothing of what is behind them
        views[index] = np.dstack([cut_out, opaque, there.astype(np.uint8) * 255])
    return np.stack(views)


def seen_colours(
    photograph: np.ndarray, points: np.ndarray, normals: np.ndarray, surface: Surface, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The colour [V, 3] float32 of every vertex at `points` [V, 3] (pixel x, y, depth) of the photograph [H, W, 3].

    Where the photograph does not show it well, the colour of the nearest of `places` [V, K] that is shown well.
    And which are shown well: [V] bool.
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
    return colours, shown


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


def _drawn(points: np.ndarray, values: np.ndarray, surface: Surface, height: int, width: int) -> np.ndarray:
    """A body at `points` [V, 3] with `values` [V, 4] (colour, seen) as [H, W, 5] uint8: colour, opacity, seen.

    Values reach over the rim, where the body covers a part of a pixel.
    """
    front = faces_viewer(points, surface)
    share = coverage(points, surface, front, height, width)
    corners = surface.corners[:, front]
    found = nearest(points, corners, height, width)
    of_corners = values.take(corners.take(found.triangle, axis=1), axis=0)  # [3, P, 4]
    picture = np.zeros((height * width, 5), np.float32)
    picture[found.pixel, :4] = np.einsum("cp,cpk->pk", found.barycentric, of_corners)
    picture[found.pixel, 4] = 1
    picture = _over_the_rim(picture.reshape(height, width, 5), share > 0)
    picture[..., 4] = share * 255
    return np.rint(np.clip(picture[..., [0, 1, 2, 4, 3]], 0, 255)).astype(np.uint8)


def _over_the_rim(picture: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """`picture` [H, W, K + 1] (values, known or not); what is `wanted` gets the mean of what is known beside it."""
    rows, columns = np.nonzero(wanted & (picture[..., -1] == 0))
    padded = np.pad(picture * picture[..., -1:], ((1, 1), (1, 1), (0, 0)))
    sums = np.sum([padded[rows + i, columns + j] for i in range(3) for j in range(3)], axis=0)
    picture[rows, columns, :-1] = sums[:, :-1] / np.maximum(sums[:, -1:], 1)
    return picture
