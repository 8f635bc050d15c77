"""Turned views of a person in the colours of their own photograph: what it shows of the body is painted onto the body.

The mesh says where every pixel of the person lies on the body, and so from which pixel of the photograph another side
takes its colour: the flow of that side. What the photograph does not show takes the colour of the nearest place of the
body that it does show.
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
from gcl_cli.records import SUBPIXELS

STEEPEST = 0.5  # cosine between view and surface from which a colour is trusted: at the rim is the background
NEARER = 0.03  # share of the picture's height by which a vertex may lie behind what is drawn in front of it
ROOM = 64  # a person's cut-out is wider than the naked body by one pixel for so many rows of the picture
FEWEST = 50  # vertices with a trusted colour below which all that are visible count
TORN = 32  # corners of a triangle whose colours are further apart than one pixel for so many rows do not blend
BESIDE = np.array([[0, 0, 1, -1, 1, 1, -1, -1], [1, -1, 0, 0, 1, -1, 1, -1]])  # a pixel's neighbours, near ones first
# How far apart two places of the body are for clothing: its front and back are alike, and so are left and right.
THROUGH, THROUGH_HEAD, ACROSS = 0.35, 1.0, 0.1


def view_flows(
    size: tuple[int, int],
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
    """Where the views of a person from `angles` take their colours from: [A, 4, H, W] uint16, 0 where nobody is.

    Column and row of the photograph, resized to `size` (height, width), in parts of a pixel (`records.SUBPIXELS`; 0 is
    the middle of the first); opacity; and how far the photograph itself shows what is painted: 255 where it does, 0
    where the colour is that of another place of the body. At 0 degrees they point at themselves.

    Everything else as for `rendering.render_views`, with whose views of one size these agree to the pixel.
    places: [V, K] see `body_places`.
    """
    height, width = size
    own = to_picture(vertices, camera, crop_size, height, width)
    sources = seen_places(size, own, vertex_normals(vertices, surface.faces), surface, places)
    points, _ = turned_points(vertices, camera, crop_size, angles, up=up, height=height, width=width, recentre=recentre)
    flows = np.stack([_flow(view, sources, surface, height, width) for view in points])
    for index in np.flatnonzero(np.asarray(angles) % 360 == 0):
        opaque = maximum_filter(flows[index, 2], size=2 * round(height / ROOM) + 1)
        rows, columns = np.indices(size)
        there = opaque > 0
        flows[index] = np.stack([columns * SUBPIXELS, rows * SUBPIXELS, opaque, np.full(size, 255)]) * there
    return flows


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
    """The person of a photograph [H, W, 3] uint8 from `angles`: [A, H, W, 5] uint8, colour, opacity and what is seen.

    The photograph is the crop resized, sampled bilinearly where `view_flows` says; at 0 degrees it is itself, where the
    person is. Where nobody is all is 0.
    """
    flows = view_flows(
        (photograph.shape[0], photograph.shape[1]), surface, vertices, camera, crop_size, angles,
        up=up, recentre=recentre, places=places,
    )  # fmt: skip
    return np.stack([sampled(photograph, flow) for flow in flows])


def sampled(photograph: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """A photograph [H, W, 3] uint8 painted by a flow [4, H, W]: [H, W, 5] uint8, colour, opacity and what is seen."""
    columns, rows, opacity, seen = flow
    at = np.stack([rows, columns]) / SUBPIXELS
    channels = photograph.astype(np.float32).transpose(2, 0, 1)
    colours = [map_coordinates(one, at, order=1, mode="nearest") * (opacity > 0) for one in channels]
    return np.rint(np.stack([*colours, opacity, seen], axis=-1)).astype(np.uint8)


def seen_places(
    size: tuple[int, int], points: np.ndarray, normals: np.ndarray, surface: Surface, places: np.ndarray
) -> np.ndarray:
    """Where every vertex at `points` [V, 3] (pixel x, y, depth) takes its colour from: [V, 3] float32.

    x and y in pixels of a photograph of `size` (height, width), and whether that is where it is itself: 1 or 0. What is
    not shown well takes the colour of the nearest of `places` [V, K] that is.
    """
    height, width = size
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
    sources = np.column_stack([x, y, shown]).astype(np.float32)
    hidden = np.flatnonzero(~shown)
    donors = np.flatnonzero(shown)
    sources[hidden, :2] = sources[donors[cKDTree(places[donors]).query(places[hidden])[1]], :2]
    return sources


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


def _flow(points: np.ndarray, sources: np.ndarray, surface: Surface, height: int, width: int) -> np.ndarray:
    """The flow [4, H, W] uint16 of a body at `points` [V, 3] whose vertices have the `sources` [V, 3].

    It reaches over the rim, where the body covers a part of a pixel.
    """
    front = faces_viewer(points, surface)
    share = coverage(points, surface, front, height, width)
    corners = surface.corners[:, front]
    found = nearest(points, corners, height, width)
    of_corners = sources.take(corners.take(found.triangle, axis=1), axis=0)  # [3, P, 3]
    flow = np.zeros((height * width, 3), np.float32)
    flow[found.pixel] = _blended(of_corners, found.barycentric, height / TORN)
    known = np.zeros(height * width, bool)
    known[found.pixel] = True
    _over_the_rim(flow.reshape(height, width, 3), known.reshape(height, width), share > 0)
    x, y, shown = flow.T.reshape(3, height, width)
    x, y = np.clip(x - 0.5, 0, width - 1) * SUBPIXELS, np.clip(y - 0.5, 0, height - 1) * SUBPIXELS
    opacity = np.rint(share * 255)
    return (np.rint([x, y, opacity, shown * 255]) * (opacity > 0)).astype(np.uint16)


def _over_the_rim(flow: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> None:
    """Give each `wanted` pixel [H, W] of a flow [H, W, 3] that is not `known` that of a pixel beside it which is."""
    rows, columns = np.nonzero(wanted & ~known)
    down, right = BESIDE[:, :, None]
    which = np.pad(known, 1)[rows + 1 + down, columns + 1 + right].argmax(axis=0)
    rows_there, columns_there = (
        np.clip(at + step[which, 0], 0, last)
        for at, step, last in ((rows, down, known.shape[0] - 1), (columns, right, known.shape[1] - 1))
    )
    flow[rows, columns] = flow[rows_there, columns_there]


def _blended(of_corners: np.ndarray, barycentric: np.ndarray, reach: float) -> np.ndarray:
    """Sources [P, 3] inside triangles, of their corners [3, P, 3]; `barycentric`: [3, P].

    Where the corners' lie further apart than `reach` pixels the nearest corner's: between them may be anything.
    """
    blended: np.ndarray = np.einsum("cp,cpk->pk", barycentric, of_corners)
    torn = np.flatnonzero(np.ptp(of_corners[..., :2], axis=0).max(axis=1) > reach)
    blended[torn, :2] = of_corners[barycentric[:, torn].argmax(axis=0), torn, :2]
    return blended
